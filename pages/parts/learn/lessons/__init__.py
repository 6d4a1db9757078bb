"""The lessons: each a file of words (``NAME.toml``) and one that draws (``NAME.py``)."""
