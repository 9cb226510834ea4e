"""Everything that touches torch, diffusers and transformers.

models     a reference (pocket, folder, file, hub id) becomes one loaded pipeline
noise      starting noise by seed; slerp
schedule   noise levels and the x0 formulas of each family
guidance   classifier-free guidance and its rescale
recorder   taps on a pipeline that fill a Trace
sample     one batch through the pipeline under the recorder
decode     latents become pictures
scale      which scale the stored latents are on (NumPy only)
"""
