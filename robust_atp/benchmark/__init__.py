"""What pruning costs in time, measured on stand-ins of a backbone's true shape."""
