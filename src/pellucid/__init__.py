"""Deep visualization and interpretability with error bars."""
