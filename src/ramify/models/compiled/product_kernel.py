"""Matrix products, exponentials and norms for the compiled loops of decoder and update.

Weights are packed into panels of 16 columns. The product is written in LLVM IR, which guarantees that sums stay in
vector registers; it runs on any processor, fastest with 16 registers of 8 numbers. The order of each sum does not
depend on the rest of the batch, which no BLAS guarantees.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

PANEL, ROWS = 16, 6
"""Columns of a panel, and rows of a product."""
OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}
_f = np.float32
_LOG2E, _LN2_HIGH, _LN2_LOW = _f(1.44269504), _f(0.693359375), _f(-2.12194440e-4)
_LOWEST, _ONE, _HALF = _f(-87.0), _f(1.0), _f(0.5)
_C2, _C3, _C4, _C5, _C6 = _f(0.5), _f(0.16666546), _f(0.041665796), _f(0.008333452), _f(0.0013981999)

_vector = ir.VectorType(ir.FloatType(), 8)


def product_of(rows, panels, adding=False, transposed=False):
    """Compile a product of rows of `a` with panels of `w` that is stored in `c`, or added to it.

    Rows are `step` apart in `a` and `width` in `c`, panels `gap` apart in `w` and 16 in `c`, lines of a panel `line`
    apart. Where `a` is transposed, its columns take the place of its rows. All accumulators stay in registers, and
    each is summed from the first to the last of `depth`.
    """

    @intrinsic
    def product(typing, a, a0, step, w, w0, gap, line, c, c0, width, depth):
        i64 = types.int64
        signature = types.void(a, i64, i64, w, i64, i64, i64, c, i64, i64, i64)

        def build(context, builder, signature, args):
            def number(value):
                return ir.Constant(ir.IntType(64), value)

            def at(array, *terms):
                place = context.make_array(signature.args[array])(context, builder, args[array]).data
                for value, times in terms:
                    place = builder.gep(place, [builder.mul(value, number(times))])
                return place

            def vector(place, offset):
                return builder.bitcast(builder.gep(place, [offset]), _vector.as_pointer())

            kind = ir.FunctionType(_vector, [_vector] * 3)
            multiply_add = cgutils.get_or_insert_function(builder.module, kind, "llvm.fmuladd.v8f32")
            undefined, first = ir.Constant(_vector, ir.Undefined), ir.IntType(32)(0)
            everywhere = ir.Constant(ir.VectorType(ir.IntType(32), 8), [0] * 8)
            inputs = [at(0, (args[1], 1), (number(1) if transposed else args[2], row)) for row in range(rows)]
            weights = [at(3, (args[4], 1), (args[5], panel)) for panel in range(panels)]
            outputs = [at(7, (args[8], 1), (args[9], row)) for row in range(rows)]
            columns = range(0, panels * PANEL, 8)
            places = [vector(output, number(column)) for output in outputs for column in columns]
            zero = ir.Constant(_vector, [0.0] * 8)
            sums = [cgutils.alloca_once_value(builder, builder.load(x, align=4) if adding else zero) for x in places]
            with cgutils.for_range(builder, args[10]) as loop:
                line = builder.mul(loop.index, args[6])
                place = builder.mul(loop.index, args[2]) if transposed else loop.index
                parts = [builder.add(line, number(half)) for half in (0, 8)]
                parts = [builder.load(vector(panel, part), align=4) for panel in weights for part in parts]
                for row, x in enumerate(inputs):
                    x = builder.insert_element(undefined, builder.load(builder.gep(x, [place])), first)
                    x = builder.shuffle_vector(x, undefined, everywhere)
                    for total, part in zip(sums[row * len(parts) :], parts, strict=False):
                        builder.store(builder.call(multiply_add, [x, part, builder.load(total)]), total)
            for total, place in zip(sums, places, strict=True):
                builder.store(builder.load(total), place, align=4)
            return context.get_dummy_value()

        return signature, build

    return product


six_by_one, six_added = product_of(ROWS, 1), product_of(ROWS, 1, adding=True)
columns_added = product_of(ROWS, 1, adding=True, transposed=True)


@intrinsic
def _power_of_two(typing, exponent):
    """2 ** exponent for an integral exponent, by its bits."""

    def build(context, builder, signature, args):
        whole = builder.add(builder.fptosi(args[0], ir.IntType(32)), ir.IntType(32)(127))
        return builder.bitcast(builder.shl(whole, ir.IntType(32)(23)), ir.FloatType())

    return types.float32(types.float32), build


@njit(**OPTIONS, fastmath={"contract"})
def exp(x):
    """The exponential with relative error 2e-7, in vectorisable operations (Cephes expf)."""
    x = max(x, _LOWEST)
    whole = np.floor(x * _LOG2E + _HALF)
    x = x - whole * _LN2_HIGH - whole * _LN2_LOW
    series = ((((_C6 * x + _C5) * x + _C4) * x + _C3) * x + _C2) * x * x + x + _ONE
    return series * _power_of_two(whole)  # type: ignore[call-arg]  # numba adds the typing context


@njit(**OPTIONS, fastmath={"contract", "reassoc", "nnan", "nsz"})
def softmax(x, count, scale, out):
    """Exponentials of (x - max x) * scale over the first `count` values; returns their sum and the maximum."""
    largest = x[0]
    for j in range(count):
        largest = max(largest, x[j])
    total = _f(0.0)
    for j in range(count):
        part = exp((x[j] - largest) * scale)
        out[j] = part
        total += part
    return total, largest


@njit(**OPTIONS, fastmath={"contract", "reassoc"})
def normalize(x, step, out, out_step, scales, rows, size, epsilon):
    """Divide rows by their root mean square; `scales` receives the factors."""
    for row in range(rows):
        i, k = row * step, row * out_step
        squares = _f(0.0)
        for j in range(i, i + size):
            squares += x[j] * x[j]
        scale = _ONE / np.sqrt(squares / _f(size) + epsilon)
        scales[row] = scale
        for j in range(size):
            out[k + j] = x[i + j] * scale


@njit(**OPTIONS)
def multiply(a, step, panels, depth, c, width, rows):
    """Multiply rows (rows, step) by a matrix of panels into (rows, width); rows are padded to a multiple of six."""
    size = depth * PANEL
    for panel in range(len(panels) // size):
        for i in range(0, rows, ROWS):
            six_by_one(a, i * step, step, panels, panel * size, 0, PANEL, c, i * width + panel * PANEL, width, depth)


@njit(**OPTIONS)
def multiply_and_add(a, step, panels, depth, c, width, rows):
    """Add the product to the output."""
    size = depth * PANEL
    for panel in range(len(panels) // size):
        for i in range(0, rows, ROWS):
            six_added(a, i * step, step, panels, panel * size, 0, PANEL, c, i * width + panel * PANEL, width, depth)


@njit(**OPTIONS)
def accumulate(a, a_step, columns, b, b_step, size, c, depth):
    """Add the product of a transposed (depth, columns) and b (depth, size) to c (columns, size).

    Sizes are multiples of 16; `a` and `c` are filled to a multiple of six columns and rows.
    """
    for i in range(0, columns, ROWS):
        for j in range(0, size, PANEL):
            columns_added(a, i, a_step, b, j, 0, b_step, c, i * size + j, size, depth)
