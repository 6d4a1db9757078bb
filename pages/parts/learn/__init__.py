"""Parts of the Learn page: the frame of every lesson, and what live parts are made of."""
