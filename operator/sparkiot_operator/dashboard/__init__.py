"""The built-in page: every job with its timeline, read-only, served by `sparkiot dashboard` or by the operator itself.

Pages are rendered on the server by Jinja2, whose escaping is on, with pictures as SVG: so they work without scripts and
without any file from elsewhere, and a screen reader meets plain tables. htmx (one file, in ``static/vendor``) only
fetches the same page again and morphs it in place, so that neither focus nor scroll position is lost.
"""
