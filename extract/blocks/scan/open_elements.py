"""The stack of open elements: which elements an end tag closes, which a start tag closes before it, new elements.

HTML Living Standard, sections 13.2.6.4.7 (in body) and following, for what matters to text.
"""

# mypy: disable-error-code="arg-type,assignment,return-value,no-untyped-def"
# (kernels: NumPy's scalars are passed for int)

from extract.blocks.scan.hashing import extend_hash
from extract.blocks.scan.page import HIDDEN, MAX_OPEN, PREFORMATTED, TAG_FLAGS
from extract.blocks.scan.tags import Tag
from pipeline.kernels.njit import njit


@njit(cache=True, nogil=True)
def open_element(tag, name, source_end, attributes, state, stack, nodes, names, paths, open_count):
    """Process a block element's start tag: close what it ends, then add an element, unless a limit is reached."""
    new_depth = _implied_depth(tag, state.depth, stack, nodes, open_count)
    if new_depth < state.depth:
        close_down_to(new_depth, state, stack, nodes, open_count)
    depth, new = state.depth, state.n_nodes
    if depth < MAX_OPEN and new < len(nodes):
        parent = stack[depth - 1]
        nodes[parent].children += 1
        flags = TAG_FLAGS[tag] | nodes[parent].flags | (HIDDEN if attributes.hidden else 0)
        flags |= PREFORMATTED if attributes.is_code and tag == Tag.DIV else 0
        node = nodes[new]
        node.tag, node.parent, node.depth, node.flags = tag, parent, depth, flags
        node.first_block, node.first_image, node.first_input = state.n_blocks, state.n_images, state.n_inputs
        node.source_end, node.first_token, node.end_token = source_end, state.first_token, state.n_tokens
        names[new] = name
        paths[new] = extend_hash(extend_hash(extend_hash(paths[parent], tag), attributes.class_hash), 1)
        stack[depth] = new
        open_count[tag] += 1
        state.depth, state.n_nodes = depth + 1, new + 1
    else:
        state.n_tokens = state.first_token
    _set_innermost(state, stack, nodes)


@njit(cache=True, nogil=True)
def close_element(tag, name, state, stack, nodes, names, open_count):
    """Process a block element's end tag."""
    place = _matching_place(tag, name, state.depth, stack, nodes, names, open_count)
    if place > 0:
        close_down_to(place, state, stack, nodes, open_count)
        _set_innermost(state, stack, nodes)


@njit(cache=True, nogil=True)
def close_down_to(new_depth, state, stack, nodes, open_count):
    """Close the elements above `new_depth` of the stack, and a link or bold text that was opened in them."""
    depth = state.depth
    while depth > new_depth:
        depth -= 1
        node = nodes[stack[depth]]
        node.end_block = state.n_blocks
        node.end_image = state.n_images
        node.end_input = state.n_inputs
        open_count[node.tag] -= 1
    state.depth = depth
    if depth < state.link_depth:
        state.in_link = 0
    if depth < state.strong_depth:
        state.in_strong = 0


@njit(cache=True, nogil=True)
def _set_innermost(state, stack, nodes):
    """Text belongs to the innermost open element from here on."""
    state.node = stack[state.depth - 1]
    state.in_pre = 1 if nodes[state.node].flags & PREFORMATTED else 0


@njit(cache=True, nogil=True)
def _matching_place(tag, name, depth, stack, nodes, names, open_count):
    """Place on the stack of the element that an end tag closes; -1 where it closes none.

    `name` is the name's hash: it tells custom elements apart, which have one tag number. Any heading's end tag closes
    any heading; no end tag but a table's own reaches out of a table, none but a table's parts out of a cell.
    """
    if open_count[tag] == 0:
        return -1
    of_table = tag in (
        Tag.TABLE, Tag.TR, Tag.TBODY, Tag.THEAD, Tag.TFOOT, Tag.TD, Tag.TH, Tag.CAPTION, Tag.BODY, Tag.HTML,
    )  # fmt: skip
    is_heading = Tag.H1 <= tag <= Tag.H6
    for k in range(depth - 1, 0, -1):
        open_tag = nodes[stack[k]].tag
        if open_tag == tag and names[stack[k]] == name:
            return k
        if is_heading and Tag.H1 <= open_tag <= Tag.H6:
            return k
        if open_tag == Tag.TABLE and tag not in (Tag.TABLE, Tag.BODY, Tag.HTML):
            return -1
        if not of_table and open_tag in (Tag.TD, Tag.TH, Tag.CAPTION):
            return -1
        if tag == Tag.LI and open_tag in (Tag.UL, Tag.OL, Tag.MENU):
            return -1
    return -1


@njit(cache=True, nogil=True)
def _implied_depth(tag, depth, stack, nodes, open_count):
    """Depth of the stack after a start tag has closed what it implies; `depth` where it closes nothing.

    A block ends a paragraph, an item of a list the one before, a cell or row the ones before in its table, a heading
    a heading right above it.
    """
    new_depth = depth
    if open_count[Tag.P] > 0 and depth > 1 and nodes[stack[depth - 1]].tag == Tag.P:
        new_depth = depth - 1
    if tag in (Tag.LI, Tag.DD, Tag.DT, Tag.OPTION):
        in_definitions = tag in (Tag.DD, Tag.DT)
        if open_count[tag] + (open_count[Tag.DD] + open_count[Tag.DT] if in_definitions else 0) > 0:
            for k in range(depth - 1, 0, -1):
                open_tag = nodes[stack[k]].tag
                if open_tag == tag or (in_definitions and open_tag in (Tag.DD, Tag.DT)):
                    return k
                if open_tag not in (Tag.DIV, Tag.P, Tag.ADDRESS):
                    break
    elif tag in (Tag.TD, Tag.TH, Tag.TR, Tag.TBODY, Tag.THEAD, Tag.TFOOT) and open_count[Tag.TABLE] > 0:
        is_cell = tag in (Tag.TD, Tag.TH)
        for k in range(depth - 1, 0, -1):
            open_tag = nodes[stack[k]].tag
            if open_tag == Tag.TABLE or (open_tag == Tag.TR and is_cell):
                return min(new_depth, k + 1)
            if open_tag in (Tag.TBODY, Tag.THEAD, Tag.TFOOT) and (is_cell or tag == Tag.TR):
                return min(new_depth, k + 1)
    elif Tag.H1 <= tag <= Tag.H6 and new_depth == depth and depth > 1:
        innermost_tag = nodes[stack[depth - 1]].tag
        return depth - 1 if Tag.H1 <= innermost_tag <= Tag.H6 else depth
    return new_depth
