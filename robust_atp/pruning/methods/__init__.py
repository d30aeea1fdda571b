"""One file per published system or baseline."""
