"""Reference networks: one file, one network, a function from input shape and number of classes to a Keras model."""
