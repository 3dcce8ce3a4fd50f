"""The settings of a bootstrap: their model, file and fields."""
