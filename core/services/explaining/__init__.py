"""Why a hit was found: an encoder, a query and a hit joined to what explains them."""
