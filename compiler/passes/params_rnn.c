#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "passes/params.h"

/* One activation function; its place in the table is its number. */
struct rnn_act {
    const char *name; /* in lower case, as ONNX ignores case */
    bool has_alpha;
    bool has_beta;
    float alpha; /* where not given */
    float beta;
};
static const struct rnn_act acts[] = {
    {"relu", false, false, 0.0F, 0.0F},
    {"tanh", false, false, 0.0F, 0.0F},
    {"sigmoid", false, false, 0.0F, 0.0F},
    {"affine", true, true, 1.0F, 0.0F},
    {"leakyrelu", true, false, 0.01F, 0.0F},
    {"thresholdedrelu", true, false, 1.0F, 0.0F},
    {"scaledtanh", true, true, 1.0F, 1.0F},
    {"hardsigmoid", true, true, 0.2F, 0.5F},
    {"elu", true, false, 1.0F, 0.0F},
    {"softsign", false, false, 0.0F, 0.0F},
    {"softplus", false, false, 0.0F, 0.0F},
};

static bool is_named(const char *name, const char *low)
{
    size_t i = 0;
    while (name[i] && low[i] && tolower((unsigned char)name[i]) == low[i]) {
        i++;
    }
    return !name[i] && !low[i];
}

/* The list that a number is taken from where one is left. */
struct taken {
    const struct attr *list;
    uint32_t next;
};

static float take(struct taken *t, bool takes, float def)
{
    return takes && t->list && t->next < t->list->n ? t->list->floats[t->next++]
                                                    : def;
}

static bool set_acts(struct cx *cx, const struct node *n, struct rnn_params *r)
{
    static const char *const usual[3][RNN_MAX_ACT] = {
        [RNN_PLAIN] = {"Tanh"},
        [RNN_GRU] = {"Sigmoid", "Tanh"},
        [RNN_LSTM] = {"Sigmoid", "Tanh", "Tanh"},
    };
    const uint32_t n_act = (uint32_t)r->kind + 1;
    const struct attr *const a = node_attr(n, "activations");
    struct taken alpha = {node_attr(n, "activation_alpha"), 0};
    struct taken beta = {node_attr(n, "activation_beta"), 0};
    if (a && a->n > 0 && a->n != n_act * (uint32_t)r->n_dir) {
        return node_error(cx, n, E_OP_ATTR,
                          "it has %u activations; %u for each direction are "
                          "needed",
                          a->n, n_act);
    }
    for (uint32_t i = 0; i < n_act * (uint32_t)r->n_dir; i++) {
        const char *const name =
            a && a->n > 0 ? a->strings[i] : usual[r->kind][i % n_act];
        uint32_t k = 0;
        while (k < ARRAY_LEN(acts) && !is_named(name, acts[k].name)) {
            k++;
        }
        if (k == ARRAY_LEN(acts)) {
            return node_error(cx, n, E_UNSUPPORTED,
                              "activation '%s' is not supported", name);
        }
        r->act[i / n_act][i % n_act] = (int32_t)k;
        r->alpha[i / n_act][i % n_act] =
            take(&alpha, acts[k].has_alpha, acts[k].alpha);
        r->beta[i / n_act][i % n_act] =
            take(&beta, acts[k].has_beta, acts[k].beta);
    }
    return true;
}

bool rnn_params(const struct graph *g, struct cx *cx, const struct node *n,
                struct rnn_params *r)
{
    const struct shape *const x = &node_in(g, n, 0)->shape;
    const char *const direction = node_string(n, "direction", "forward");
    const struct attr *const clip = node_attr(n, "clip");
    *r = (struct rnn_params){
        .kind = n->op == OP_LSTM  ? RNN_LSTM
                : n->op == OP_GRU ? RNN_GRU
                                  : RNN_PLAIN,
        .is_batch_first = node_int(n, "layout", 0) != 0,
        .is_reverse = strcmp(direction, "reverse") == 0,
        .resets_after = node_int(n, "linear_before_reset", 0) != 0,
        .couples = node_int(n, "input_forget", 0) != 0,
        .has_clip = clip != NULL,
        .clip = clip ? clip->f : 0.0F,
        .n_dir = strcmp(direction, "bidirectional") == 0 ? 2 : 1,
    };
    r->n_gate = r->kind == RNN_LSTM ? 4 : r->kind == RNN_GRU ? 3 : 1;
    if (r->n_dir == 1 && !r->is_reverse && strcmp(direction, "forward") != 0) {
        return node_error(cx, n, E_OP_ATTR, "direction '%s' is not known",
                          direction);
    }
    if (x->rank < 3) {
        return node_error(cx, n, E_SHAPE,
                          "its input is %s; it must have 3 dimensions",
                          shape_text(x).text);
    }
    /* As pass_expand leaves it, times come first. */
    const bool is_turned = r->is_batch_first && x->rank == 3;
    r->times = x->dim[is_turned ? 1 : 0];
    r->batch = x->dim[is_turned ? 0 : 1];
    const struct value *const w = node_in(g, n, 1);
    const struct shape *const weights =
        w ? &w->shape : &node_in(g, n, RNN_IN_R)->shape;
    if (weights->rank != 3) {
        return node_error(cx, n, E_SHAPE,
                          "its weights are %s; they must have 3 dimensions",
                          shape_text(weights).text);
    }
    r->hidden = w ? weights->dim[1] / r->n_gate : weights->dim[1];
    return set_acts(cx, n, r);
}
