"""From measurements to constants: records, fits, the replay that checks them, the file and the report. Pure.

What measures lives in ``sparkiot_operator.calibration``; this package knows neither Spark nor a tier's server.
"""
