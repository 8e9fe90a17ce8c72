#include "frontend/onnx/onnx_data.h"

#include <string.h>

#include "base/arena.h"
#include "frontend/onnx/onnx_tensor.h"
#include "ir/graph.h"

static bool read_tensor(struct span bytes, const char *path, struct cx *cx,
                        struct onnx_source *src, struct value *out)
{
    struct onnx_scan scan;
    const Onnx__TensorProto *const t = (const Onnx__TensorProto *)onnx_unpack(
        bytes, &onnx__tensor_proto__descriptor, cx, &scan);
    *src = (struct onnx_source){.cx = cx, .scan = &scan};
    src->dir = path_dir(cx->scratch, path);
    struct onnx_tensor tensor;
    if (!t || !src->dir || !onnx_tensor(src, t, at_file(path), &tensor)) {
        return false;
    }
    const char *const name = arena_strdup(cx->keep, t->name ? t->name : "");
    uint8_t *const data = arena_alloc(cx->keep, tensor.data.len, 16);
    if (!name || !data) {
        return false;
    }
    if (tensor.data.len > 0) {
        memcpy(data, tensor.data.data, tensor.data.len);
    }
    *out = (struct value){.name = name,
                          .dtype = tensor.dtype,
                          .shape_known = true,
                          .is_const = true,
                          .shape = tensor.shape,
                          .data = {data, tensor.data.len}};
    return true;
}

bool onnx_tensor_read(const char *path, struct cx *cx, struct value *out)
{
    struct file_map map;
    if (!file_map(path, cx->diag, &map)) {
        return false;
    }
    const char *const before = cx->diag->input;
    diag_set_input(cx->diag, path);
    const struct arena_mark mark = arena_mark(cx->scratch);
    struct onnx_source src = {0};
    const bool is_ok = read_tensor(map.bytes, path, cx, &src, out);
    for (uint32_t i = 0; i < src.n_file; i++) {
        file_unmap(&src.file[i].map);
    }
    arena_rewind(cx->scratch, mark);
    diag_set_input(cx->diag, before);
    file_unmap(&map);
    return is_ok;
}
