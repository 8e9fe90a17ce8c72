#include "ir/graph.h"

#include "support/fixture.h"

#include "base/buf.h"

static struct graph with_values(struct fixture *f, uint32_t n)
{
    struct graph g = {.name = "g", .opset = 13};
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t ix = graph_add_value(&g, &f->cx, "v");
        assert_int_equal(ix, i);
        g.value[ix].dtype = DTYPE_F32;
        g.value[ix].shape_known = true;
    }
    return g;
}

static void graph__makes_names_unique(void **state)
{
    struct fixture *f = *state;
    struct graph g = with_values(f, 3);
    assert_string_equal(g.value[0].name, "v");
    assert_string_equal(g.value[1].name, "v.1");
    assert_string_equal(g.value[2].name, "v.2");
    assert_true(graph_check(&g, &f->cx));
}

static void graph__lists_uses_in_node_order(void **state)
{
    struct fixture *f = *state;
    struct graph g = with_values(f, 3);
    uint32_t out[] = {2};
    g.output = out;
    g.n_output = 1;
    const uint32_t a = graph_add_node(&g, &f->cx, OP_ADD, "a", 2, 1);
    const uint32_t b = graph_add_node(&g, &f->cx, OP_RELU, "b", 1, 1);
    g.node[a].in[0] = 0;
    g.node[a].in[1] = 0;
    g.node[a].out[0] = 1;
    g.node[b].in[0] = 0;
    g.node[b].out[0] = 2;
    struct graph_uses u;
    assert_true(graph_uses_make(&g, &f->cx, &u));
    assert_int_equal(u.first[1] - u.first[0], 3); /* a twice, b once */
    assert_int_equal(u.user[u.first[0] + 1], a);
    assert_int_equal(u.user[u.first[0] + 2], b);
    assert_int_equal(u.first[2] - u.first[1], 0);
    assert_int_equal(u.producer[0], NODE_NONE);
    assert_int_equal(u.producer[2], b);
    assert_true(u.is_output[2] && !u.is_output[1]);
    g.node[a].is_dead = true;
    assert_true(graph_uses_make(&g, &f->cx, &u));
    assert_int_equal(u.first[1] - u.first[0], 1);
    assert_int_equal(u.producer[1], NODE_NONE);
}

static void graph_check__finds_values_given_twice_and_never(void **state)
{
    struct fixture *f = *state;
    struct graph g = with_values(f, 2);
    uint32_t in[] = {0};
    g.input = in;
    g.n_input = 1;
    const uint32_t a = graph_add_node(&g, &f->cx, OP_RELU, "a", 1, 1);
    const uint32_t b = graph_add_node(&g, &f->cx, OP_RELU, "b", 1, 1);
    g.node[a].in[0] = 0;
    g.node[a].out[0] = 1;
    g.node[b].in[0] = 0;
    g.node[b].out[0] = 1;
    assert_false(graph_check(&g, &f->cx));
    assert_diag(f, E_NAME, "b");
    diag_init(&f->diag);
    g.node[b].is_dead = true;
    assert_true(graph_check(&g, &f->cx));
    g.node[a].in[0] = 7;
    assert_false(graph_check(&g, &f->cx));
    assert_diag(f, E_NAME, "a");
    diag_init(&f->diag);
    g.node[a].in[0] = 1; /* its own result */
    assert_true(graph_check(&g, &f->cx));
    g.is_ordered = true;
    assert_false(graph_check(&g, &f->cx));
    assert_diag(f, E_CYCLE, "a");
}

static void graph_check__measures_constants(void **state)
{
    struct fixture *f = *state;
    struct graph g = {0};
    const struct shape s = {2, {2, 3}};
    static const uint8_t data[24] = {0};
    assert_int_equal(graph_add_const(&g, &f->cx, "c", DTYPE_F32, &s,
                                     (struct span){data, 24}),
                     0);
    assert_true(graph_check(&g, &f->cx));
    g.value[0].data.len = 23;
    assert_false(graph_check(&g, &f->cx));
    assert_diag(f, E_CONST, "c");
}

static void graph_print__escapes_names_of_the_file(void **state)
{
    struct fixture *f = *state;
    struct graph g = {.name = "a b", .opset = 13};
    uint32_t in[1];
    in[0] = graph_add_value(&g, &f->cx, "x\n\x1b[31m");
    g.input = in;
    g.n_input = 1;
    struct buf text;
    buf_init(&text, &f->keep);
    assert_true(graph_print(&g, &text));
    assert_string_equal(buf_text(&text), "graph a\\x20b opset 13\n"
                                         "input x\\x0a\\x1b[31m ?[?]\n");
}

static void op_table__is_found_by_name(void **state)
{
    (void)state;
    for (enum op_id op = 0; op < OP_COUNT; op++) {
        assert_int_equal(op_find(op_name(op)), op);
        assert_true(op_get(op)->min_in <= op_get(op)->max_in);
    }
    assert_int_equal(op_find("conv"), OP_COUNT);
    assert_int_equal(op_find(""), OP_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(graph__makes_names_unique),
        FIXTURE_TEST(graph__lists_uses_in_node_order),
        FIXTURE_TEST(graph_check__finds_values_given_twice_and_never),
        FIXTURE_TEST(graph_check__measures_constants),
        FIXTURE_TEST(graph_print__escapes_names_of_the_file),
        FIXTURE_TEST(op_table__is_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
