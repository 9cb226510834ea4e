/** The LoRA lab: one matrix as the sum of ever more parts, or a file cut to ever fewer. */

import { fileLab } from "./lora-file.js";
import { matrixLab } from "./lora-matrix.js";

export function lab(data, blobs) {
  return data.kind === "matrix" ? matrixLab(data, blobs) : fileLab(data, blobs);
}
