/** The toy: a small matrix at any rank, multiplied here from its singular vectors. */

import { arrayOf } from "../../media/page/bytes.js";
import { element } from "../../media/page/dom.js";
import { listen } from "../../media/page/keys.js";
import { makeMatrix, MATRIX_VIEWS } from "./matrix.js";
import { tenths } from "../../media/page/numbers.js";
import { makePlot } from "../../media/page/plot.js";
import { keptOf } from "./product.js";
import { makeReadout } from "../../media/page/readout.js";
import { makeShell } from "../../media/page/shell.js";
import { makeStore } from "../../media/page/store.js";
import { makeTabs } from "../../media/page/tabs.js";
import { makeTimeline } from "../../media/page/timeline.js";

export function matrixLab(data, blobs) {
  const { most, shape, whole } = data.matrix;
  const { energy, error } = keptOf(arrayOf(blobs.arrays.values));
  const stage = makeMatrix(data.matrix, blobs.arrays, data.captions.spectrum, (rank) => timeline.scrub(rank - 1));
  const tabs = makeTabs({
    label: "view", onChoose: (view) => store.change({ view }),
    choices: MATRIX_VIEWS.map(([value, text, title], i) => ({ value, text, title, key: String(i + 1) })),
  });
  const shell = makeShell({ data, stage, tabs: tabs.node, keys: "← → rank · space play · 1–3 view" });
  const readout = makeReadout(["numbers", "energy kept", "error"]);
  const numbers = (rank) => rank * (whole[0] + whole[1]);
  const said = (index) => `rank ${index + 1} · ${numbers(index + 1)} of ${data.full} numbers · ${tenths(energy[index])} of the energy`;
  const plot = makePlot({ onScrub: (share) => timeline.scrub(share * (most - 1)), hint: (share) => said(Math.round(share * (most - 1))) });
  shell.side.append(...readout.nodes, element("div", { class: "plot-place" }, plot.node));
  const timeline = makeTimeline({
    foot: shell.foot, label: "rank", count: most, said, onScrub: (index) => store.change({ rank: index + 1 }),
    strip: { ratio: shape[1] / shape[0], smooth: () => false, picture: (index) => stage.thumb(index + 1) },
    advance: () => {
      const rank = (store.state.rank % most) + 1;
      store.change({ rank });
      return rank === most ? 1600 : Math.max(60, Math.min(600, 6000 / most));
    },
  });

  const store = makeStore({ rank: data.start, view: "copy" }, ({ rank, view }) => {
    stage.draw(rank, view);
    tabs.set(view);
    readout.tell(String(rank), `of ${most}`, [`${numbers(rank)} of ${data.full}`, tenths(energy[rank - 1]), tenths(error[rank - 1])]);
    timeline.move(rank - 1);
    plot.move(rank - 1);
  });
  plot.draw({
    title: "energy kept, and error of the copy · 0 to 100 %", caption: data.captions.rank, ends: ["rank 1", String(most)], top: 1,
    curves: [{ label: "energy kept", role: "amber", values: energy.slice(0, most) }, { label: "error", role: "teal", values: error.slice(0, most) }],
  });
  timeline.mark(data.marks.map((mark) => ({ ...mark, onclick: () => timeline.scrub(mark.index) })), data.marks);
  listen({
    ...timeline.keys(),
    ...Object.fromEntries(MATRIX_VIEWS.map(([view], i) => [String(i + 1), () => store.change({ view })])),
  });
  store.change();
  shell.fit();
  return document.fonts.ready;
}
