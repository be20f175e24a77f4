"""Where shuffle blocks are kept: one protocol over Redis, a folder, S3 and an archive class of S3.

The driver's runtime and the operator both import this package, and it imports nothing else of ours. It runs in the
user's Spark image, so it is written for Python 3.8, and each store imports its client only when it is opened.
"""
