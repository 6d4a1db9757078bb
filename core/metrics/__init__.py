"""What a ranked list is worth: definitions, tables, certainty."""
