#!/bin/sh
# report.sh FLEXC FLEXZOO PROTO_DIR: --report writes one page that needs nothing
# else, the same each time; headless Chromium draws it without an error: a
# section a plan, rectangles, timeline, tables. Hostile names stay text.
set -eu
flexc=$1
zoo=$2
proto=$3
dir=$(mktemp -d "${TMPDIR:-/tmp}/flexc-test-XXXXXX")
trap 'rm -rf "$dir"' EXIT
cd "$dir"
failed=0

fail() {
    echo "FAIL: $*"
    failed=1
}

# ---- the file ----

# report NAME BUDGETS: NAME.onnx -> NAME.html
report() {
    "$flexc" "$1.onnx" --budgets "$2" -o "$1.flex" -q --report "$1.html" || {
        fail "flexc $1 --report"
        return
    }
    # No address outside the page but SVG's name.
    if grep -oE '(https?:)?//[a-z0-9.]+[^ ]*' "$1.html" |
        grep -v '^http://www.w3.org/2000/svg'; then
        fail "$1.html refers to something else"
    fi
    [ "$(wc -c <"$1.html")" -lt 3000000 ] || fail "$1.html is too large"
}

"$zoo" tiny -o tiny.onnx
"$zoo" squeezenet-small -o squeezenet.onnx
report tiny min,max
report squeezenet min,120K,250K,max
mv tiny.html first.html
report tiny min,max
cmp first.html tiny.html || fail "two equal calls give two pages"

# The rectangles of --dump=memory end at the peak that the plan claims, also
# those of tables that are loaded by index; each plan has its state, input and
# output.
for name in tiny squeezenet-small vit-small gpt2-small; do
    "$zoo" "$name" -o memory.onnx
    "$flexc" memory.onnx --budgets min,max --dump=memory >memory
    awk -v name="$name" '
    function done() {
        if (n > 0 && (top != peak || !state || !input || !output)) {
            print name ": rectangles end at " top ", the peak is " peak
            bad = 1
        }
        n++
    }
    /^memory / { done(); peak = $4; top = state = input = output = 0; next }
    {
        split($3, at, "+")
        if (at[1] + at[2] > top) top = at[1] + at[2]
        if ($1 == "state") state = 1
        if ($1 == "input") input = 1
        if ($1 == "output") output = 1
    }
    END { done(); exit bad || n != 3 }' memory || fail "$name: --dump=memory"
done

# The plans do not depend on whether there is a report.
"$flexc" squeezenet.onnx --budgets min,120K,250K,max -o plain -q
diff -r plain squeezenet.flex || fail "the report changes what is compiled"

# A page that cannot be written leaves nothing.
got=0
"$flexc" tiny.onnx --budgets max -o out -q --report none/x.html 2>err || got=$?
if [ "$got" = 0 ] || ! grep -q 'none/x.html' err || [ -e out ]; then
    fail "a report in no folder: exit $got, $(cat err)"
fi

# Names that would end the data, or be markup.
if command -v protoc >/dev/null; then
    protoc --encode=onnx.ModelProto "-I$proto" "$proto/onnx.proto" \
        >hostile.onnx 2>err <<'TXT'
ir_version: 7
opset_import { version: 13 }
graph {
  name: "g"
  node { op_type: "MaxPool" name: "</script><script>document.title='owned'</script>" input: "x" output: "<img src=x onerror=alert(1)>" attribute { name: "kernel_shape" type: INTS ints: 3 ints: 3 } }
  node { op_type: "Softmax" name: "a\"&amp;\\u0041\001\377 @DATA@" input: "<img src=x onerror=alert(1)>" output: "y" }
  input { name: "x" type { tensor_type { elem_type: 1 shape { dim { dim_value: 1 } dim { dim_value: 8 } dim { dim_value: 8 } dim { dim_value: 8 } } } } }
  output { name: "y" type { tensor_type { elem_type: 1 } } }
}
TXT
    report hostile min,max
    [ "$(grep -c '</script>' hostile.html)" = 2 ] ||
        fail "a name ends the data"
fi

# ---- the picture ----

browser=$(command -v chromium || command -v chromium-browser ||
    command -v google-chrome || true)
if [ -z "$browser" ]; then
    [ "$failed" = 0 ] || exit 1
    echo "skipped: the page is not drawn, chromium is missing"
    exit 77
fi

# drawn NAME PLANS: NAME.dom is the page as the browser made it, one element a
# line.
drawn() {
    HOME=$dir timeout 120 "$browser" --headless --no-sandbox --disable-gpu \
        --no-first-run --disable-background-networking \
        --disable-dev-shm-usage --user-data-dir="$dir/chromium" \
        --window-size=1200,2000 --dump-dom "file://$dir/$1.html" \
        >"$1.raw" 2>"$1.err" || {
        fail "$1: the browser: $(tail -n 3 "$1.err")"
        return
    }
    sed 's/></>\
</g' "$1.raw" | sed '/<script/,$d' >"$1.dom"
    grep -q 'id="broken"' "$1.raw" &&
        fail "$1: $(grep -o 'id="broken"[^/]*' "$1.raw")"
    grep -q 'data-drawn="yes"' "$1.raw" || fail "$1: the script did not end"
    [ "$(grep -c '<section id="plan-' "$1.dom")" = "$2" ] ||
        fail "$1: not $2 sections of plans"
    [ "$(grep -c 'class="lane-boxes"' "$1.dom")" = "$2" ] ||
        fail "$1: not $2 timelines"
    [ "$(grep -c '<table class="at-peak"' "$1.dom")" = "$2" ] ||
        fail "$1: not $2 tables of peaks"
    [ "$(grep -c '<table class="layers"' "$1.dom")" = 1 ] ||
        fail "$1: no table of layers"
    [ "$(grep -c 'class="mark"' "$1.dom")" = "$2" ] ||
        fail "$1: not $2 plans on the curve"
    grep -qE '(NaN|undefined|Infinity)' "$1.dom" &&
        fail "$1: $(grep -E '(NaN|undefined|Infinity)' "$1.dom" | head -n 2)"
    return 0
}

# count NAME TEXT: lines of the page that hold it.
count() {
    grep -c -e "$2" "$1.dom" || true
}

drawn tiny 2
drawn squeezenet 4
# tiny at max: state, residents, two tensors or more; its weights streamed at
# min; input and output in both.
for kind in state resident input output slice; do
    [ "$(count tiny "class=\"r[^>]*fill:var(--$kind)")" -gt 0 ] ||
        fail "tiny: no rectangle of kind $kind"
done
for kind in state resident input output tensor rolling slice; do
    [ "$(count squeezenet "class=\"r[^>]*fill:var(--$kind)")" -gt 0 ] ||
        fail "squeezenet: no rectangle of kind $kind"
done
# as many rows as layers, each by its name
layers=$("$flexc" squeezenet.onnx --budgets max --dump=cand | sed -n \
    's/^[0-9]* \([^ ]*\) kernel .*/\1/p')
for name in $layers; do
    grep -qF ">$name<" squeezenet.dom || fail "squeezenet: no layer $name"
done
if [ -s hostile.html ]; then
    drawn hostile 2
    grep -q '<title>hostile' hostile.raw || fail "a name runs as a script"
    grep -q '<img' hostile.dom && fail "a name is markup"
    grep -qF '&lt;/script&gt;' hostile.dom || fail "a name is lost"
fi
exit $failed
