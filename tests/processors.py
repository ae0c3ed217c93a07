"""Processors whose code tests look at, whatever this one is."""

FEATURES = {"AVX-512": {"avx512f", "avx2", "fma"}, "AVX2": {"avx2", "fma"}, "NEON": {"neon"}, "none": set()}

# How LLVM names them; on each, what it calls the fma, and the stack.
PROCESSORS = {
    "AVX-512": ("x86_64-unknown-linux-gnu", "skylake-avx512", "+avx512f,+avx2,+fma", "vfmadd", "%rsp"),
    "AVX2": ("x86_64-unknown-linux-gnu", "haswell", "+avx,+avx2,+fma,+sse4.2", "vfmadd", "%rsp"),
    "NEON": ("aarch64-unknown-linux-gnu", "neoverse-n1", "+neon", "fmla", "[sp"),
}
