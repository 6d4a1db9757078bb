"""The modules of the networks that we train. They import torch: import them where they are needed,
never at start."""
