/** ONNX Runtime Web, which stands before the live page's worker. */
declare const ort: any;
