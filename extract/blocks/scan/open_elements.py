"""The stack of open elements: what end tags close, what start tags imply, new elements. Kernels of the scanner."""

# mypy: disable-error-code="arg-type,assignment,return-value"
# (kernels: NumPy's scalars stand for int)

from extract.blocks.scan.byte_kernels import step
from extract.blocks.scan.nodes import (
    ADDRESS_TAG,
    BODY,
    CAPTION,
    CLASS_CODE,
    DD,
    DEPTH,
    DIV,
    DT,
    H1,
    H6,
    HIDDEN,
    HTML,
    IS_CODE,
    IS_HIDDEN,
    LI,
    LINK_DEPTH,
    MAX_OPEN,
    MENU,
    N_B0,
    N_B1,
    N_CHILDREN,
    N_DEPTH,
    N_FLAGS,
    N_IMG0,
    N_IMG1,
    N_INP0,
    N_INP1,
    N_NODES,
    N_PARENT,
    N_POS,
    N_TAG,
    N_TOK0,
    N_TOK1,
    N_TOKENS,
    OL,
    OPTION,
    PREFORMATTED,
    STRONG_DEPTH,
    TABLE,
    TAG_FLAGS,
    TBODY,
    TD,
    TFOOT,
    TH,
    THEAD,
    TOKEN0,
    TR,
    UL,
    P,
)
from extract.blocks.scan.text_runs import LINK, N_BLOCKS, N_IMAGES, N_INPUTS, NOW, PRE, STRONG_ON
from pipeline.kernels.njit import njit


@njit(cache=True, nogil=True)
def close_down_to(to, state, stack, nodes, open_of):  # type: ignore[no-untyped-def]
    """Close the elements above place `to` of the stack, and a link or bold text that was opened in them."""
    depth = state[DEPTH]
    while depth > to:
        depth -= 1
        node = stack[depth]
        nodes[node, N_B1] = state[N_BLOCKS]
        nodes[node, N_IMG1] = state[N_IMAGES]
        nodes[node, N_INP1] = state[N_INPUTS]
        open_of[nodes[node, N_TAG]] -= 1
    state[DEPTH] = depth
    if depth < state[LINK_DEPTH]:
        state[LINK] = 0
    if depth < state[STRONG_DEPTH]:
        state[STRONG_ON] = 0


@njit(cache=True, nogil=True)
def settle(state, stack, nodes):  # type: ignore[no-untyped-def]
    """Text belongs to the innermost open element from here on."""
    state[NOW] = stack[state[DEPTH] - 1]
    state[PRE] = 1 if nodes[state[NOW], N_FLAGS] & PREFORMATTED else 0


@njit(cache=True, nogil=True)
def close_element(tag, name, state, stack, nodes, names, open_of):  # type: ignore[no-untyped-def]
    """A block's end tag."""
    to = _place(tag, name, state[DEPTH], stack, nodes, names, open_of)
    if to > 0:
        close_down_to(to, state, stack, nodes, open_of)
        settle(state, stack, nodes)


@njit(cache=True, nogil=True)
def open_element(tag, name, position, says, state, stack, nodes, names, paths, open_of):  # type: ignore[no-untyped-def]
    """A block's start tag: close what it ends, then a new node where there is room for one."""
    to = _implied(tag, state[DEPTH], stack, nodes, open_of)
    if to < state[DEPTH]:
        close_down_to(to, state, stack, nodes, open_of)
    depth, new = state[DEPTH], state[N_NODES]
    if depth < MAX_OPEN and new < len(nodes):
        parent = stack[depth - 1]
        nodes[parent, N_CHILDREN] += 1
        flags = TAG_FLAGS[tag] | nodes[parent, N_FLAGS] | (HIDDEN if says[IS_HIDDEN] else 0)
        flags |= PREFORMATTED if says[IS_CODE] and tag == DIV else 0
        nodes[new, N_TAG], nodes[new, N_PARENT], nodes[new, N_DEPTH], nodes[new, N_FLAGS] = tag, parent, depth, flags
        nodes[new, N_B0], nodes[new, N_IMG0], nodes[new, N_INP0] = state[N_BLOCKS], state[N_IMAGES], state[N_INPUTS]
        nodes[new, N_POS], nodes[new, N_TOK0], nodes[new, N_TOK1] = position, state[TOKEN0], state[N_TOKENS]
        names[new] = name
        paths[new] = step(step(step(paths[parent], tag), says[CLASS_CODE]), 1)
        stack[depth] = new
        open_of[tag] += 1
        state[DEPTH], state[N_NODES] = depth + 1, new + 1
    else:
        state[N_TOKENS] = state[TOKEN0]
    settle(state, stack, nodes)


@njit(cache=True, nogil=True)
def _place(tag, name, depth, stack, nodes, names, open_of):  # type: ignore[no-untyped-def]
    """Place on the stack of the element that an end tag closes; -1 where it closes none."""
    if open_of[tag] == 0:
        return -1
    tabular = tag in (TABLE, TR, TBODY, THEAD, TFOOT, TD, TH, CAPTION, BODY, HTML)
    heading = H1 <= tag <= H6
    for k in range(depth - 1, 0, -1):
        here = nodes[stack[k], N_TAG]
        if here == tag and names[stack[k]] == name:
            return k
        if heading and H1 <= here <= H6:
            return k
        if here == TABLE and tag not in (TABLE, BODY, HTML):
            return -1
        if not tabular and here in (TD, TH, CAPTION):
            return -1
        if tag == LI and here in (UL, OL, MENU):
            return -1
    return -1


@njit(cache=True, nogil=True)
def _implied(tag, depth, stack, nodes, open_of):  # type: ignore[no-untyped-def]
    """Place on the stack down to which a start tag closes what is open before it; `depth` where it closes nothing."""
    to = depth
    if open_of[P] > 0 and depth > 1 and nodes[stack[depth - 1], N_TAG] == P:
        to = depth - 1
    if tag in (LI, DD, DT, OPTION):
        if open_of[tag] + (open_of[DD] + open_of[DT] if tag in (DD, DT) else 0) > 0:
            for k in range(depth - 1, 0, -1):
                here = nodes[stack[k], N_TAG]
                if here == tag or (tag in (DD, DT) and here in (DD, DT)):
                    return k
                if here not in (DIV, P, ADDRESS_TAG):
                    break
    elif tag in (TD, TH, TR, TBODY, THEAD, TFOOT) and open_of[TABLE] > 0:
        for k in range(depth - 1, 0, -1):
            here = nodes[stack[k], N_TAG]
            if here == TABLE:
                return min(to, k + 1)
            if (here == TR and tag in (TD, TH)) or (here in (TBODY, THEAD, TFOOT) and tag in (TR, TD, TH)):
                return min(to, k + 1)
    elif H1 <= tag <= H6 and to == depth and depth > 1 and H1 <= nodes[stack[depth - 1], N_TAG] <= H6:
        return depth - 1
    return to
