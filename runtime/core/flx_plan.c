#include "flx_core.h"

uint32_t flx_op_words(uint32_t op)
{
    static const uint8_t k_words[16] = {
        [FLX_BOX] = FLX_BOX_WORDS,   [FLX_ROWS] = FLX_ROWS_WORDS,
        [FLX_LOOP] = FLX_LOOP_WORDS, [FLX_END] = FLX_END_WORDS,
        [FLX_LOAD] = FLX_LOAD_WORDS,
    };
    return k_words[op & 15u];
}

/* Executes LOOP and END until the cursor is at an instruction that counts. */
static void pass_loops(const struct flx_section *s, struct flx_cursor *at)
{
    while (at->pc < s->n_words) {
        const uint32_t *in = s->word + at->pc;
        if (flx_op_of(in) == FLX_LOOP) {
            at->pc += FLX_LOOP_WORDS;
            at->body = at->pc;
            at->iter = 0;
            at->n_iter = in[1];
        } else if (flx_op_of(in) == FLX_END) {
            at->iter++;
            if (at->iter < at->n_iter) {
                at->pc = at->body;
            } else {
                *at = (struct flx_cursor){.pc = at->pc + FLX_END_WORDS};
            }
        } else {
            return;
        }
    }
}

void flx_cursor_start(const struct flx_section *s, struct flx_cursor *at)
{
    *at = (struct flx_cursor){0};
    pass_loops(s, at);
}

void flx_cursor_next(const struct flx_section *s, struct flx_cursor *at)
{
    at->pc += flx_op_words(flx_op_of(s->word + at->pc));
    pass_loops(s, at);
}

bool flx_seek(const struct flx_section *s, uint32_t pc, uint32_t iter,
              struct flx_place *out)
{
    if (pc > s->n_words) {
        return false;
    }
    uint32_t number = 0; /* executed before the loop, or before `at` */
    uint32_t in_body = 0;
    struct flx_cursor at = {0};
    while (at.pc < pc) {
        const uint32_t *in = s->word + at.pc;
        const uint32_t op = flx_op_of(in);
        at.pc += flx_op_words(op);
        if (op == FLX_LOOP) {
            at.body = at.pc;
            at.n_iter = in[1];
            in_body = 0;
        } else if (op == FLX_END) {
            number += at.n_iter * in_body;
            at = (struct flx_cursor){.pc = at.pc};
        } else if (at.body != 0) {
            in_body++;
        } else {
            number++;
        }
    }
    if (at.pc != pc) {
        return false; /* inside an instruction */
    }
    if (pc < s->n_words && flx_op_of(s->word + pc) == FLX_LOOP) {
        at.n_iter = s->word[pc + 1];
        pc += FLX_LOOP_WORDS;
        at.pc = pc;
        at.body = pc;
        in_body = 0;
    }
    *out = (struct flx_place){at, number, 0};
    if (at.body == 0) {
        return true;
    }
    if (flx_op_of(s->word + pc) == FLX_END) {
        return false;
    }
    uint32_t per_iter = in_body;
    uint32_t end = pc;
    for (; flx_op_of(s->word + end) != FLX_END; per_iter++) {
        end += flx_op_words(flx_op_of(s->word + end));
    }
    out->per_iter = per_iter;
    out->number = number + iter * per_iter + in_body;
    out->at.iter = iter;
    if (iter < at.n_iter) {
        return true;
    }
    out->at = (struct flx_cursor){.pc = end + FLX_END_WORDS};
    pass_loops(s, &out->at);
    return iter == at.n_iter && pc == at.body;
}

static int64_t signed_of(uint32_t word)
{
    return word <= INT32_MAX ? (int64_t)word : (int64_t)word - (1LL << 32);
}

/* Row end of a ROWS in iteration iter. */
static uint32_t row_end(const uint32_t *in, uint32_t iter, uint32_t rows)
{
    const int64_t end = signed_of(in[5]) * iter + signed_of(in[6]);
    return end < 0 ? 0 : end > rows ? rows : (uint32_t)end;
}

void flx_box_decode(const struct flx_model *m, const uint32_t *in,
                    uint32_t iter, struct flx_box *out)
{
    *out = (struct flx_box){
        .layer = in[0] >> 4,
        .p0 = in[1] & 0xffffu,
        .p1 = in[1] >> 16,
        .kb = in[2] & 0xffffu,
        .flags = in[2] >> 16,
        .w = in[3],
        .wait = in[4],
    };
    const uint32_t rows = m->layer[out->layer].rows;
    if (flx_op_of(in) == FLX_BOX) {
        out->r1 = rows;
        return;
    }
    out->r0 = iter == 0 ? 0 : row_end(in, iter - 1, rows);
    out->r1 = row_end(in, iter, rows);
    out->wait += signed_of(in[7]) * iter;
}

int64_t flx_load_wait(const uint32_t *in, uint32_t iter)
{
    return signed_of(in[4]) + signed_of(in[5]) * iter;
}

uint32_t flx_panel_bytes(const struct flx_model *m, const struct flx_layer *l,
                         uint32_t kb)
{
    const struct flx_chunk *c = m->chunk + l->chunk0;
    while (c->kblock != kb) {
        c++;
    }
    return c->raw_bytes / c->n_panel;
}

void flx_boundary_get(const uint32_t *plan, uint32_t ix,
                      struct flx_boundary *out)
{
    const uint32_t *w = plan + flx_plan_head(plan)->boundary_off +
                        (size_t)ix * FLX_BOUNDARY_WORDS;
    *out = (struct flx_boundary){w[0], w[1], w[2], w[3], w[4],
                                 w[5], w[6], w[7], w[8]};
}

uint32_t flx_stored_room(const struct flx_model *m)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < m->n_chunk; i++) {
        const struct flx_chunk *c = &m->chunk[i];
        if (c->codec != FLX_CODEC_RAW && c->stored_bytes > most) {
            most = c->stored_bytes;
        }
    }
    return FLX_ROUND_UP(most, 64u);
}
