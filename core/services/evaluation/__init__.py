"""How good encoders are: cells, reports, leaderboards, studies of data, queries and encoders."""
