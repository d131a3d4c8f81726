"""Downloads: from a URL to a whole file. One coroutine from a `FetchSpec` to an outcome *value*.

A file under its final name is complete: it was streamed to a part file that nobody else can name, counted, decoded,
hashed, synced, and only then renamed. A download never costs a second payment, so everything here may be repeated.
"""
