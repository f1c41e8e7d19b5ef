"""The verbs: adapt → inputs → method or view → diagnostics → record."""
