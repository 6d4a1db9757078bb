"""What there is: data sets, encoders, indexes and caches as rows; what is brought, uploaded,
downloaded and corrected."""
