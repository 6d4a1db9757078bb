"""Everything that a page or a command may ask. Only here do encoders meet datasets and indexes."""
