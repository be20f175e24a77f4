"""Write the shipped trace anew."""

from . import CITY_TRAFFIC, render

CITY_TRAFFIC.write_text(render(), encoding="utf-8")
