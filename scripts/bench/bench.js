// bench.js ROOT BUILD ORT_DIR [options of bench.sh]: what bench.sh says.
'use strict';
const {execFileSync, spawnSync} = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');

const [root, build, ortDir, ...options] = process.argv.slice(2);
const work = path.join(build, 'bench');
const cores = (process.env.FLEXC_BENCH_CORES || '0,1').split(',');

// Name, title, arguments of flexzoo, timed runs a turn.
const networks = [
    {name: 'squeezenet', title: 'SqueezeNet 1.1', runs: 30},
    {name: 'mobilenetv2', title: 'MobileNetV2', runs: 30},
    {name: 'resnet152', title: 'ResNet-152', runs: 5},
    {name: 'vgg19', title: 'VGG-19', runs: 5},
    {name: 'vit', title: 'ViT-B/32@384', runs: 5},
    {name: 'gpt2', title: 'GPT-2, 64 tokens', zoo: ['--seq', '64'], runs: 5},
];

function option(name, fallback) {
    const i = options.indexOf(name);
    return i < 0 ? fallback : options[i + 1];
}
const rounds = Number(option('--rounds', '7'));
const only = option('--only', '').split(',').filter((s) => s);

function die(text) {
    console.error(text);
    process.exit(1);
}

// Runs a program; its standard output, or dies with its messages.
function run(program, args, env) {
    const r = spawnSync(program, args, {
        encoding: 'utf8',
        maxBuffer: 1 << 26,
        env: {...process.env, ...env},
    });
    if (r.status !== 0) {
        die(`${program} ${args.join(' ')}\n${r.stdout}${r.stderr}${r.error || ''}`);
    }
    return r.stdout;
}

function median(list) {
    const s = [...list].sort((a, b) => a - b);
    const m = s.length >> 1;
    return s.length % 2 ? s[m] : (s[m - 1] + s[m]) / 2;
}

// A .npy file of raw little-endian values.
function npy(type, shape, data) {
    const descr = type === 'int64' ? '<i8' : '<f4';
    let head = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`;
    head = head.padEnd(Math.ceil((head.length + 11) / 64) * 64 - 11, ' ') + '\n';
    const magic = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0,
                               head.length & 255, head.length >> 8]);
    return Buffer.concat([magic, Buffer.from(head, 'latin1'), data]);
}

// Values of a .npy file of floats, or of a raw file.
function floats(file) {
    let b = fs.readFileSync(file);
    if (file.endsWith('.npy')) {
        b = b.subarray(10 + b.readUInt16LE(8));
    }
    return new Float32Array(new Uint8Array(b).buffer);
}

// Largest difference over largest value.
function distance(got, want) {
    if (got.length !== want.length) {
        die(`outputs of ${got.length} and ${want.length} values`);
    }
    let worst = 0;
    let scale = 0;
    for (let i = 0; i < want.length; i++) {
        const d = Math.abs(got[i] - want[i]);
        worst = d > worst || Number.isNaN(d) ? d : worst;
        scale = Math.max(scale, Math.abs(want[i]));
    }
    return worst / scale;
}

function pinned(threads, program, args) {
    const list = cores.slice(0, threads).join(',');
    return JSON.parse(run('taskset', ['-c', list, program, ...args]));
}

function theirs(net, threads, runs, warmup) {
    return pinned(threads, process.execPath, [
        path.join(root, 'scripts/bench/ort.js'), ortDir, net.model, net.input,
        String(threads), String(runs), String(warmup), net.theirs,
    ]);
}

function ours(net, threads, runs, warmup, dir = net.dir, prefix = net.ours) {
    return pinned(threads, path.join(build, 'flexrun'), [
        dir, '--storage', 'cached', '--input', `${net.input}.npy`, '--output', prefix, '--runs',
        String(runs), '--warmup', String(warmup), '--threads', String(threads),
        '--json', '-', '-q',
    ]);
}

// The most bytes of tensors that live at once, each held in full.
function activationPeak(model) {
    const text = run(path.join(build, 'flexc'),
                     [model, '--budgets', 'max', '--dump', 'layers']);
    const live = [];
    for (const m of text.matchAll(
        /^buffer .* (\d+) rows of (\d+) bytes, layers (\d+)\.\.(\d+)/gm)) {
        const [rows, bytes, first, last] = m.slice(1).map(Number);
        for (let i = first; i <= last; i++) {
            live[i] = (live[i] || 0) + rows * bytes;
        }
    }
    return Math.max(...live);
}

function prepare(net) {
    const at = (name) => path.join(work, 'models', name);
    net.model = at(`${net.name}.onnx`);
    net.dir = at(`${net.name}.flex`);
    net.input = at(`${net.name}.input`);
    net.theirs = at(`${net.name}.theirs`);
    net.ours = at(`${net.name}.ours`);
    if (!fs.existsSync(net.model)) {
        console.error(`writing ${net.name}.onnx`);
        run(path.join(build, 'flexzoo'),
            [net.name, ...(net.zoo || []), '-o', net.model]);
    }
    const flexc = (dir, ...more) => run(path.join(build, 'flexc'), [
        net.model, '--budgets', 'max', '--target', 'host', '--threads',
        String(cores.length), '-o', dir, '--json', `${net.dir}.json`, '-q',
        ...more,
    ]);
    flexc(net.dir);
    net.activations = activationPeak(net.model);
    const plan = JSON.parse(fs.readFileSync(`${net.dir}.json`, 'utf8'));
    net.weights = plan.weights_bytes;
    net.peak = plan.plans[0].peak;
    net.target = plan.target;
    theirs(net, 1, 1, 0); // writes the input
    const meta = JSON.parse(fs.readFileSync(`${net.input}.json`, 'utf8'));
    fs.writeFileSync(`${net.input}.npy`,
                     npy(meta.type, meta.shape, fs.readFileSync(net.input)));
    ours(net, 1, 1, 0); // builds the shared object
    net.difference = distance(floats(`${net.ours}_0.npy`), floats(net.theirs));
    if (!(net.difference < 1e-3)) {
        die(`${net.name}: outputs differ by ${net.difference}`);
    }
    if (options.includes('--errors')) {
        errors(net, flexc);
    }
}

// Against naive operators in double precision: both algorithms, and the peer.
function errors(net, flexc) {
    const prefix = `${net.dir}.double`;
    console.error(`${net.name}: double precision`);
    run(path.join(build, 'tests', 'refrun'),
        [net.model, `${net.input}.npy`, '-o', prefix]);
    const want = floats(`${prefix}_0.npy`);
    const direct = `${net.dir}.direct`;
    flexc(direct, '--numerics', 'direct');
    ours(net, 1, 1, 0, direct, `${net.ours}.direct`);
    net.error = {
        fast: distance(floats(`${net.ours}_0.npy`), want),
        direct: distance(floats(`${net.ours}.direct_0.npy`), want),
        ort: distance(floats(net.theirs), want),
    };
    fs.rmSync(direct, {recursive: true});
}

// Turns of both; ratios of the medians of each turn.
function measure(net, threads) {
    const t = {ours: [], ort: [], ratio: []};
    let ourPeak = 0;
    let ortPeak = 0;
    for (let i = 0; i < rounds; i++) {
        const us = ours(net, threads, net.runs, 2);
        const them = theirs(net, threads, net.runs, 2);
        t.ours.push(us.latency_ms.median);
        t.ort.push(median(them.ms));
        t.ratio.push(us.latency_ms.median / median(them.ms));
        ourPeak = Math.max(ourPeak, us.rss_over_idle);
        ortPeak = Math.max(ortPeak, them.rss_over_idle);
        console.error(`${net.name}, ${threads} thread(s), turn ${i + 1}: ` +
                      `${t.ours[i].toFixed(2)} and ${t.ort[i].toFixed(2)} ms, ` +
                      `ratio ${t.ratio[i].toFixed(3)}`);
    }
    return {
        name: net.name,
        title: net.title,
        threads,
        ours_ms: median(t.ours),
        ort_ms: median(t.ort),
        ratio: {median: median(t.ratio), min: Math.min(...t.ratio),
                max: Math.max(...t.ratio)},
        ours_peak: ourPeak,
        ort_peak: ortPeak,
        plan_peak: net.peak,
        weights_bytes: net.weights,
        activation_bytes: net.activations,
        target: net.target,
        difference: net.difference,
        error: net.error,
    };
}

function kernels() {
    const list = [];
    for (const compiler of ['gcc', 'clang']) {
        for (const target of ['x86-64-v3', 'x86-64-v4']) {
            const program = path.join(work, `bench_conv-${compiler}-${target}`);
            const r = spawnSync('taskset', ['-c', cores[0], program, '9'],
                                {encoding: 'utf8'});
            if (r.status !== 0) {
                console.error(`${program} does not run here`);
                continue;
            }
            const lines = r.stdout.trim().split('\n');
            const peak = Number(lines[0].match(/peak ([\d.]+)/)[1]);
            for (const line of lines.slice(1)) {
                const m = line.match(/^(\S+)\s+(\S+)\s+best\s+([\d.]+) ms\s+median\s+([\d.]+)\s+([\d.]+) GFLOP\/s.*error (\S+)/);
                list.push({compiler, target, peak, layer: m[1],
                           algorithm: m[2], ms: Number(m[3]),
                           median_ms: Number(m[4]), gflops: Number(m[5]),
                           error: Number(m[6])});
            }
        }
    }
    return list;
}

// The micro-kernel alone: shares of the peak, in percent.
function micro() {
    const list = [];
    for (const compiler of ['gcc', 'clang']) {
        for (const target of ['x86-64-v3', 'x86-64-v4']) {
            const program = path.join(work, `bench_micro-${compiler}-${target}`);
            const r = spawnSync('taskset', ['-c', cores[0], program],
                                {encoding: 'utf8'});
            if (r.status !== 0) {
                continue;
            }
            for (const m of r.stdout.matchAll(
                /^\s*(\d+x\d+)\s+K\s+(\d+):\s+([\d.]+) % of peak, median\s+([\d.]+)/gm)) {
                list.push({compiler, target, tile: m[1], k: Number(m[2]),
                           best: Number(m[3]), median: Number(m[4])});
            }
        }
    }
    return list;
}

// ---- the document ----

const mib = (bytes) => (bytes / 2 ** 20).toFixed(0);

function networkTable(list) {
    const rows = list.map((r) => `| ${[
        r.title, r.threads, r.ours_ms.toFixed(2), r.ort_ms.toFixed(2),
        `**${r.ratio.median.toFixed(2)}**`,
        `${r.ratio.min.toFixed(2)} to ${r.ratio.max.toFixed(2)}`,
        mib(r.ours_peak), mib(r.ort_peak),
        (r.ours_peak / (r.weights_bytes + r.activation_bytes)).toFixed(2),
    ].join(' | ')} |`);
    return ['| network | threads | flexc, ms | ONNX Runtime, ms | ratio | its range | flexc, MiB | ONNX Runtime, MiB | of need |',
            '|---|---|---|---|---|---|---|---|---|', ...rows].join('\n');
}

function errorTable(list) {
    const e = (x) => x.toExponential(1);
    const rows = list.filter((r) => r.threads === 1 && r.error).map((r) =>
        `| ${r.title} | ${e(r.error.fast)} | ${e(r.error.direct)} | ${e(r.error.ort)} |`);
    return ['| network | flexc | flexc, `--numerics direct` | ONNX Runtime |',
            '|---|---|---|---|', ...rows].join('\n');
}

function kernelTable(list) {
    const columns = [...new Set(list.map((k) => `${k.compiler} ${k.target}`))];
    const keys = [...new Set(list.map((k) => `${k.layer} ${k.algorithm}`))];
    const rows = keys.map((key) => {
        const cells = columns.map((c) => {
            const k = list.find((x) => `${x.layer} ${x.algorithm}` === key &&
                                `${x.compiler} ${x.target}` === c);
            return k ? `${k.ms.toFixed(3)} | ${k.gflops.toFixed(0)} | ${(100 * k.gflops / k.peak).toFixed(0)}`
                     : ' | | ';
        });
        const k = list.find((x) => `${x.layer} ${x.algorithm}` === key);
        return `| ${k.layer} | ${k.algorithm} | ${cells.join(' | ')} | ${k.error.toExponential(0)} |`;
    });
    return [`| layer | algorithm | ${columns.map((c) => `${c}, ms | GFLOP/s | %`).join(' | ')} | error |`,
            `|---|---|${columns.map(() => '---|---|---|').join('')}---|`,
            ...rows].join('\n');
}

function microTable(list) {
    const ks = [...new Set(list.map((k) => k.k))];
    const keys = [...new Set(list.map((k) => `${k.compiler} ${k.target} | ${k.tile}`))];
    const rows = keys.map((key) => {
        const of = list.filter((k) => `${k.compiler} ${k.target} | ${k.tile}` === key);
        return `| ${key} | ${ks.map((k) => {
            const x = of.find((y) => y.k === k);
            return `${x.median.toFixed(0)} to ${x.best.toFixed(0)}`;
        }).join(' | ')} |`;
    });
    return [`| built by, for | tile | ${ks.map((k) => `K = ${k}`).join(' | ')} |`,
            `|---|---|${ks.map(() => '---|').join('')}`, ...rows].join('\n');
}

function page(result) {
    const m = result.machine;
    const parts = [`# Benchmarks

Written by \`scripts/bench.sh\`; every figure is measured, on one machine, in one
run. flexc at budget \`max\`, its C built by ${m.builds} for ${m.target}, weights from
page-cached reads, against ONNX Runtime ${result.ort} (npm package onnxruntime-node), its
CPU provider with all graph optimisations. Both run in turns, pinned to the same
cores. A turn is a process that opens the model, warms up, and runs it a few
times; it counts with its median. A ratio is flexc's turn over the turn of ONNX
Runtime next to it: the table has the median of ${result.rounds} ratios, the least and the
largest. Memory is the peak of resident bytes above the idle process; "of need"
is flexc's over its weights plus the most bytes of tensors that live at once.

Machine: ${m.cpu}, cores ${m.cores}.

${networkTable(result.networks)}
`];
    if (result.networks.some((r) => r.error)) {
        parts.push(`## Errors

Largest difference to naive operators in double precision, over the largest
output.

${errorTable(result.networks)}
`);
    }
    if (result.kernels.length > 0) {
        const peaks = [...new Set(result.kernels.map((k) =>
            `${k.peak.toFixed(0)} GFLOP/s (${k.compiler} ${k.target})`))];
        parts.push(`## Kernels

One layer at a time, one thread, best of 9 alternating runs, processor time.
GFLOP/s count the direct algorithm's operations; % is of the multiply-adds that
a loop in registers reaches: ${peaks.join(', ')}. Error: largest
over largest value, against double precision, at sampled pixels.

${kernelTable(result.kernels)}

## Micro-kernel

A tile of rows by output channels, K multiply-adds each, alone: percent of the
peak of multiply-adds, median and best of 15 runs.

${microTable(result.micro)}
`);
    }
    return parts.join('\n');
}

function version(program) {
    try {
        return execFileSync(program, ['--version'], {encoding: 'utf8'}).split('\n')[0];
    } catch (e) {
        return null;
    }
}

function main() {
    const file = path.join(root, 'docs', 'BENCHMARKS.json');
    const known = only.length ? networks.filter((n) => only.includes(n.name)) : networks;
    const result = {
        ort: path.basename(ortDir).replace('ort-', ''),
        rounds,
        machine: {
            cpu: os.cpus()[0].model,
            cores: cores.join(','),
            builds: version(process.env.CC || 'clang') || version('gcc'),
            target: '',
        },
        networks: [],
        kernels: [],
        micro: [],
    };
    for (const net of known) {
        prepare(net);
        for (let threads = 1; threads <= cores.length; threads++) {
            result.networks.push(measure(net, threads));
            result.machine.target = net.target;
        }
    }
    if (options.includes('--kernels')) {
        result.kernels = kernels();
        result.micro = micro();
    }
    console.log(page(result));
    if (only.length === 0) {
        fs.writeFileSync(file, `${JSON.stringify(result, null, 1)}\n`);
        fs.writeFileSync(path.join(root, 'docs', 'BENCHMARKS.md'), page(result));
    }
}

main();
