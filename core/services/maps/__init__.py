"""How an encoder arranges a data set: maps, their colours and small pictures, and what is asked of
them."""
