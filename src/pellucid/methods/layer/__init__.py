"""Activations × a reduction of gradients."""
