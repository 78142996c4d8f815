"""Comparisons of 64 bytes at once, for kernels that search in the bytes of a page.

They are written as vectors of LLVM, so one source serves every CPU: with AVX-512 a comparison is two instructions, on
other CPUs a dozen. A result is a mask of 64 bits, whose bit i is about byte i.
"""

# mypy: disable-error-code="no-untyped-def"

from pipeline.kernels.njit import intrinsic

VECTOR_BYTES = 64  # bytes that one comparison looks at


def _vector_type():
    from llvmlite import ir

    return ir.VectorType(ir.IntType(8), VECTOR_BYTES)


def _broadcast(builder, byte):
    """Vector that has the same byte in every place."""
    from llvmlite import ir

    undefined = ir.Constant(_vector_type(), ir.Undefined)
    first_place = ir.Constant(ir.VectorType(ir.IntType(32), VECTOR_BYTES), [0] * VECTOR_BYTES)
    vector = builder.insert_element(undefined, byte, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(vector, undefined, first_place)


def _compare_instructions(operator):
    """Code generator of the mask (data[position : position + 64] | bits) `operator` byte."""

    def generate(context, builder, signature, args):
        from llvmlite import ir

        array, position, byte, bits = args
        data = context.make_array(signature.args[0])(context, builder, array).data
        address = builder.bitcast(builder.gep(data, [position]), _vector_type().as_pointer())
        loaded = builder.or_(builder.load(address, align=1), _broadcast(builder, bits))
        compared = builder.icmp_unsigned(operator, loaded, _broadcast(builder, byte))
        return builder.bitcast(compared, ir.IntType(VECTOR_BYTES))

    return generate


@intrinsic
def equal_mask(typingctx, data, position, byte, bits):
    """Mask of data[position : position + 64] | bits == byte. All 64 bytes must exist; bits = 32 ignores ASCII case."""
    from numba import types

    return types.uint64(data, types.intp, types.uint8, types.uint8), _compare_instructions("==")


@intrinsic
def at_most_mask(typingctx, data, position, byte):
    """Mask of data[position : position + 64] <= byte. All 64 bytes must exist."""
    from llvmlite import ir
    from numba import types

    def generate(context, builder, signature, args):
        no_bits = ir.Constant(ir.IntType(8), 0)
        return _compare_instructions("<=")(context, builder, signature, (*args, no_bits))

    return types.uint64(data, types.intp, types.uint8), generate


@intrinsic
def lowest_bit(typingctx, mask):
    """Number of the lowest bit that is set; 64 where none is."""
    from llvmlite import ir
    from numba import types

    def generate(context, builder, signature, args):
        zero_is_defined = ir.Constant(ir.IntType(1), 0)
        return builder.cttz(args[0], zero_is_defined)

    return types.intp(types.uint64), generate
