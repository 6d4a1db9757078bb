"""Data sets, encoders, indexes and caches as rows; what is brought, fetched, corrected."""
