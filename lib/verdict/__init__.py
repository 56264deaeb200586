"""May the model go to production on TensorRT? A pure function of what a run recorded and of what production asks for."""
