"""Why operators are refused."""

#: The domain under which a reader names what it cannot translate, with attribute ``why``.
REFUSED = "oxnor.refused"
#: Reasons by operator.
WHY = {
    "Conv": "convolutions are not supported: dense layers (MatMul, Gemm) are",
    "ConvTranspose": "convolutions are not supported: dense layers (MatMul, Gemm) are",
    "MaxPool": "pooling is not supported: dense layers (MatMul, Gemm) are",
    "AveragePool": "pooling is not supported: dense layers (MatMul, Gemm) are",
    "GlobalAveragePool": "pooling is not supported: dense layers (MatMul, Gemm) are",
    "LSTM": "recurrent layers are not supported", "GRU": "recurrent layers are not supported",
    "RNN": "recurrent layers are not supported",
    "If": "control flow is not supported: export the network in evaluation mode",
    "Loop": "control flow is not supported: export the network in evaluation mode",
    "Scan": "control flow is not supported: export the network in evaluation mode",
    "Trunc": "quantisers of more than 1 bit are not supported: train with 1-bit activations",
    "FloatQuant": "quantisers of more than 1 bit are not supported: train with 1-bit activations",
    "QuantAvgPool2d": "pooling is not supported: dense layers (MatMul, Gemm) are",
    "LayerNormalization": "it mixes neurons, so no threshold can stand for it: use batch normalisation",
    "InstanceNormalization": "it mixes neurons, so no threshold can stand for it: use batch normalisation",
    "GroupNormalization": "it mixes neurons, so no threshold can stand for it: use batch normalisation",
}  # fmt: skip
