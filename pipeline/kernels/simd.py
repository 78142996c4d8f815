"""Comparing 64 bytes at once: what searches over a page's bytes rest on.

LLVM's vectors, so that one text is for every CPU: AVX-512 makes two instructions of a comparison, others a dozen.
An answer is a mask: its bit i is about byte i.
"""

# mypy: disable-error-code="no-untyped-def"

from pipeline.kernels.njit import intrinsic

WIDE = 64  # bytes of one comparison


def _splat(builder, byte):
    """A vector that has the byte everywhere."""
    from llvmlite import ir

    nothing, where = ir.Constant(_vector(), ir.Undefined), ir.VectorType(ir.IntType(32), WIDE)
    first = builder.insert_element(nothing, byte, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(where, [0] * WIDE))


def _vector():
    from llvmlite import ir

    return ir.VectorType(ir.IntType(8), WIDE)


def _compared(sign):
    """What an intrinsic returns: the type and the code of (data[at : at + 64] | bits) `sign` byte."""

    def code(context, builder, signature, args):
        from llvmlite import ir

        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        place = builder.bitcast(builder.gep(data, [args[1]]), _vector().as_pointer())
        loaded = builder.or_(builder.load(place, align=1), _splat(builder, args[3]))
        return builder.bitcast(builder.icmp_unsigned(sign, loaded, _splat(builder, args[2])), ir.IntType(WIDE))

    return code


@intrinsic
def equal(typingctx, data, at, byte, bits):
    """Mask of data[at : at + 64] | bits == byte; the 64 bytes must be there. `bits` 32 lets case not count."""
    from numba import types

    return types.uint64(data, types.intp, types.uint8, types.uint8), _compared("==")


@intrinsic
def at_most(typingctx, data, at, byte):
    """Mask of data[at : at + 64] <= byte; the 64 bytes must be there."""
    from llvmlite import ir
    from numba import types

    def code(context, builder, signature, args):
        return _compared("<=")(context, builder, signature, (*args, ir.Constant(ir.IntType(8), 0)))

    return types.uint64(data, types.intp, types.uint8), code


@intrinsic
def lowest(typingctx, mask):
    """Number of the lowest bit that is set; 64 where none is."""
    from llvmlite import ir
    from numba import types

    def code(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.intp(types.uint64), code
