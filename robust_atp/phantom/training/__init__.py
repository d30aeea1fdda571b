"""Training of the phantom backbones in the two stages of LLaVA itself."""
