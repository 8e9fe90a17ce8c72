/* Door: .plan texts. For every text: plan_parse refuses it at a line; or
 * plan_check refuses the plan for a fixed network; or the plan is sound, which
 * means that its tables open, and that it runs twice in exactly its peak with
 * the output bits of every other plan of that network. What is parsed is parsed
 * again from what is printed. The first byte chooses the network. */
#include "fuzz/fuzz.h"

#include "fuzz/fuzz_net.h"
#include "planner/plan_check.h"

#define CAP_BYTES (UINT64_C(256) << 20)

static void check_round_trip(struct fuzz *f, const struct plan *p)
{
    struct buf text;
    struct buf again;
    struct plan q;
    buf_init(&text, &f->keep);
    buf_init(&again, &f->keep);
    fuzz_check(plan_print(p, &text), "a plan can be printed");
    fuzz_check(plan_parse(buf_bytes(&text), &f->cx, &q),
               "what is printed can be read");
    fuzz_check(plan_print(&q, &again) &&
                   span_eq(buf_bytes(&text), buf_bytes(&again)),
               "and is the same");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {data, size};
    const struct fuzz_net *const n = fuzz_net((fuzz_byte(&in) & 1) != 0);
    struct fuzz f;
    struct plan p;
    fuzz_start(&f, CAP_BYTES);
    bool ok = plan_parse(in, &f.cx, &p);
    fuzz_check_diag(&f, ok);
    fuzz_check(ok || f.diag.id == E_TEXT, "a text is no other error");
    if (ok) {
        check_round_trip(&f, &p);
        const struct plan_set one = {.plan = &p, .n_plan = 1};
        ok = plan_check(&n->layers, &n->chunks, &n->cands, &one, &f.cx);
        fuzz_check_diag(&f, ok);
    }
    if (ok) {
        fuzz_net_run(n, fuzz_net_tables(n, &p, &f.cx), 0);
    }
    fuzz_end(&f);
    return 0;
}
