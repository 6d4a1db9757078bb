"""Parts of the Learn page: the frame that every lesson stands in, and what live parts are made
of."""
