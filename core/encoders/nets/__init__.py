"""The modules of the networks that we train. They import torch: never at start."""
