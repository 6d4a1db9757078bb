"""The lessons: for each one a file of words (``NAME.toml``) and a small one that draws its live
part (``NAME.py``)."""
