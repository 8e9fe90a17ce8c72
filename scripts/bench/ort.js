// ort.js ORT_DIR MODEL INPUT THREADS RUNS WARMUP OUTPUT: runs a model with ONNX
// Runtime on its CPU provider and prints, as JSON, the times of its runs in
// milliseconds and the peak of resident bytes over those before the model was
// opened. INPUT and OUTPUT are the values of the first input and output, raw
// little-endian; INPUT is written, seeded, when there is none.
'use strict';
const fs = require('fs');
const path = require('path');

const [ortDir, model, input, threads, runs, warmup, output] =
    process.argv.slice(2);
const ort = require(path.join(ortDir, 'node_modules', 'onnxruntime-node'));

// A line of /proc/self/status, bytes.
function status(key) {
    const text = fs.readFileSync('/proc/self/status', 'utf8');
    return Number(text.match(new RegExp(`^${key}:\\s*(\\d+) kB`, 'm'))[1]) * 1024;
}

// Uniform in [0, 1), or tokens: the same for each model and machine.
function seeded(type, n) {
    let state = 1n;
    const next = () => {
        state = (state * 6364136223846793005n + 1442695040888963407n) &
            0xffffffffffffffffn;
        return Number(state >> 40n) / 2 ** 24;
    };
    if (type === 'int64') {
        return BigInt64Array.from({length: n}, () => BigInt(Math.floor(next() * 50000)));
    }
    return Float32Array.from({length: n}, next);
}

async function main() {
    const idle = status('VmRSS');
    const session = await ort.InferenceSession.create(model, {
        executionProviders: ['cpu'],
        graphOptimizationLevel: 'all',
        intraOpNumThreads: Number(threads),
        interOpNumThreads: 1,
        executionMode: 'sequential',
    });
    const meta = session.inputMetadata[0];
    const n = meta.shape.reduce((a, b) => a * b, 1);
    if (!fs.existsSync(input)) {
        const data = seeded(meta.type, n);
        fs.writeFileSync(input, Buffer.from(data.buffer));
        fs.writeFileSync(`${input}.json`,
                         JSON.stringify({shape: meta.shape, type: meta.type}));
    }
    const bytes = new Uint8Array(fs.readFileSync(input)).buffer;
    const data = meta.type === 'int64' ? new BigInt64Array(bytes)
                                       : new Float32Array(bytes);
    const feeds = {[meta.name]: new ort.Tensor(meta.type, data, meta.shape)};
    const ms = [];
    let result;
    for (let i = -Number(warmup); i < Number(runs); i++) {
        const t = process.hrtime.bigint();
        result = await session.run(feeds);
        if (i >= 0) {
            ms.push(Number(process.hrtime.bigint() - t) / 1e6);
        }
    }
    const first = result[session.outputNames[0]];
    fs.writeFileSync(output, Buffer.from(first.data.buffer,
                                         first.data.byteOffset,
                                         first.data.byteLength));
    console.log(JSON.stringify({ms, rss_over_idle: status('VmHWM') - idle}));
}

main().catch((e) => {
    console.error(String(e));
    process.exit(1);
});
