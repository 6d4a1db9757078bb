"""How good encoders are: cells, reports, leaderboards, and closer studies of data, queries and
encoders."""
