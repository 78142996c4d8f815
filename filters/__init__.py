import pipeline.kernels  # noqa: F401 - where machine code is kept, before there is any
