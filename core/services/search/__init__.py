"""One query, one or several encoders: decode, subject, encode, search, and hits with their
meaning."""
