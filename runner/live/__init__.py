"""What a run shows of itself while it goes on, on 127.0.0.1 alone: its page, its figures, whether it is well.

The server reads through `source.Source` and steers through `source.Controls`; it knows neither the state nor the
scheduler. Its rooms are imported one by one: most runs serve no page.
"""
