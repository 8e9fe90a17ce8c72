#!/bin/sh
# conformance.sh FLEXRUN models|light|node: trained models with the outputs that
# ONNX Runtime gave, whole networks of the ONNX release, or its tests of single
# operators, at the least budget and with everything resident: right, and the
# same bits. Data: $FLEXC_TEST_DATA, else ../shared beside the source tree, else
# skipped.
set -eu
flexrun=$1
kind=$2
data=${FLEXC_TEST_DATA:-${FLEXC_SOURCE_DIR:-$(dirname "$0")/../..}/../shared}

case $kind in
models)
    set -- squeezenet1_1_f32 tiny_ic_resnet8_f32 tiny_kws_dscnn_f32 \
        tiny_vww_mobilenetv1_f32 tiny_ad_autoencoder_f32 sine_mlp_f32 \
        mnist_cnn micro_kws_m_fp32 super_resolution blazeface_front_128 \
        nanodet_m fastestdet ultraface_rfb320 ppocr_v2_cls ppocr_v4_det \
        vit_digits mnist_lstm rnnoise_gru silero_vad_16k_op15 silero_vad_v5 \
        mcunet_person_det_int8 micro_kws_m_qdq \
        micro_kws_m_qoperator mnist_cnn_dynquant mobilenetv2_imagenet_int8 \
        person_detect_int8 sine_mlp_int8 tiny_ad_autoencoder_int8 \
        tiny_ic_resnet8_int8 tiny_kws_dscnn_int8 tiny_sww_dscnn1d_int8 \
        tiny_vww_mobilenetv1_int8
    folder=models
    ;;
light)
    set -- test_light_bvlc_alexnet test_light_densenet121 \
        test_light_inception_v1 test_light_inception_v2 test_light_resnet50 \
        test_light_shufflenet test_light_squeezenet test_light_vgg19 \
        test_light_zfnet512
    folder=conformance/light
    ;;
node)
    set --
    folder=conformance/node
    ;;
*)
    echo "usage: conformance.sh FLEXRUN models|light|node"
    exit 2
    ;;
esac
if [ ! -d "$data/$folder" ]; then
    echo "skipped: no test data at '$data/$folder'; set FLEXC_TEST_DATA"
    exit 77
fi
n=$#
if [ "$n" = 0 ]; then
    set -- "$data/$folder"/*
else
    for name in "$@"; do
        shift
        set -- "$@" "$data/$folder/$name"
    done
fi
# Our temporary folder, to see that flexrun leaves nothing in it.
temp=$(mktemp -d "${TMPDIR:-/tmp}/flexc-test-XXXXXX")
trap 'rm -rf "$temp"' EXIT
status=0
TMPDIR=$temp "$flexrun" --conformance "$@" --budgets min,max >"$temp/out" ||
    status=$?
cat "$temp/out"
# The outputs of two tests hold the rounding of a transform in float where the
# result is 0: 1.9e-7, and 1e-7 is allowed. Ours is 0.
noise='test_dft_inverse|test_dft_inverse_opset19'
if [ "$kind" = node ] && [ "$status" != 0 ]; then
    grep ' FAIL ' "$temp/out" | grep -v -E "^($noise) " || status=0
fi
[ "$status" = 0 ] || exit 1
[ "$(ls "$temp")" = out ] || {
    echo "FAIL: flexrun leaves $(ls "$temp")"
    exit 1
}
last=$(tail -n 1 "$temp/out")
if [ "$kind" = node ]; then
    # Operators that are not supported yet are skipped; none is lost again. The
    # bound only grows.
    least=1117
    [ "${last%% *}" -ge $least ] || {
        echo "FAIL: fewer than $least passed"
        exit 1
    }
else
    # A model that is not supported is a failure here.
    [ "$last" = "$n passed, 0 failed, 0 skipped" ]
fi
