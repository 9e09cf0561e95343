(function () {
  "use strict";
  var root = document.documentElement;
  root.classList.add("js");
  var all = function (what, inside) { return [].slice.call((inside || document).querySelectorAll(what)); };
  var one = function (id) { return document.getElementById(id); };
  var order = one("order"), clear = one("clear"), said = one("filtered");
  var selects = all("[data-filter]");
  var data = one("counts") ? JSON.parse(one("counts").textContent) : null;
  var keep = all("a[data-keep]").map(function (link) { return [link, link.getAttribute("href")]; });
  var items = all("[data-unit], [data-instrument], [data-period]").filter(function (item) {
    return !item.matches("[data-filter]");
  });
  var boxes = all("[data-sortable]"), ordered = "worst";

  function count(n) {
    var text = String(Math.abs(n));
    if (Math.abs(n) >= 10000) { text = text.replace(/\B(?=(\d{3})+$)/g, "\u202f"); }
    return (n < 0 ? "\u2212" : "") + text;
  }
  function signed(n) { return n > 0 ? "+" + count(n) : count(n); }
  // As Python rounds, halves to the even number, so that a page says the same before and after a filter.
  function whole(x) {
    var low = Math.floor(x);
    return x - low === 0.5 ? low + low % 2 : Math.round(x);
  }
  function percent(n, of) {
    if (!of) { return "n/a"; }
    var share = whole(100 * n / of);
    if (share === 0 && n > 0) { return "<1\u202f%"; }
    if (share === 100 && n < of) { return ">99\u202f%"; }
    return share + "\u202f%";
  }
  function share(n, of) { return of ? percent(n, of) + " (" + count(n) + " of " + count(of) + ")" : "n/a"; }
  function line(values, top) {
    var n = values.length, text = "";
    values.forEach(function (value, i) {
      if (value === null) { return; }
      var x = n > 1 ? 4 + i * 232 / (n - 1) : 120, y = 4 + (1 - Math.min(1, value / top)) * 56;
      var on = i > 0 && values[i - 1] !== null;
      var alone = !on && (i + 1 === n || values[i + 1] === null);
      text += (on ? "L" : "M") + x.toFixed(1) + " " + y.toFixed(1) + (alone ? "h1" : "");
    });
    return text;
  }
  function bars(values) {
    var top = Math.max.apply(null, values.concat([1])), step = Math.min(6, 144 / values.length), text = "";
    values.forEach(function (value, i) {
      if (value) {
        var height = Math.max(1, 23 * value / top);
        text += "M" + (i * step).toFixed(1) + " 24v" + (-height).toFixed(1) + "h" + (step - 1).toFixed(1) + "v" + height.toFixed(1) + "z";
      }
    });
    return text;
  }
  function median(values) {
    if (!values.length) { return null; }
    var sorted = values.slice().sort(function (a, b) { return a - b; }), middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }
  function within(span, period) { return !period || span.indexOf(period) === 0 || period.indexOf(span) === 0; }
  function name(key) {
    var select = selects.filter(function (item) { return item.dataset.filter === key; })[0];
    return select && select.selectedIndex > 0 ? select.options[select.selectedIndex].text : "";
  }

  // The overview's rows and small charts, found once; those behind the fold are drawn when it opens.
  function say(element, text) { if (element.textContent !== text) { element.textContent = text; } }
  var draw = function () {};
  var lines = all("#units-table tbody tr").map(function (row) {
    return { unit: row.dataset.unit, cells: all("[data-cell]", row), bar: row.querySelector(".bar") };
  });
  var figures = all(".multiple").map(function (figure) {
    return {
      unit: figure.dataset.unit, name: figure.querySelector("a").textContent, svg: figure.querySelector("svg"),
      own: figure.querySelector(".unitline"), median: figure.querySelector(".medianline"),
      under: figure.querySelector("[data-under]"), rest: !!figure.closest("details")
    };
  });
  if (one("more-multiples")) { one("more-multiples").addEventListener("toggle", function () { draw(); }); }

  var pages = {
    overview: function (now) {
      var instrument = now.instrument ? data.instruments.indexOf(now.instrument) : null;
      if (now.instrument && instrument < 0) { instrument = -2; }
      var spans = data.quarters.map(function (text) { return within(text, now.period); });
      var shown = [];
      spans.forEach(function (is, place) {
        if (is && place >= data.drawn[0] && place <= data.drawn[1]) { shown.push(place); }
      });
      shown = shown.slice(-12);
      var column = {}, sums = {}, rates = {}, total = [0, 0, 0];
      shown.forEach(function (place, i) { column[place] = i; });
      Object.keys(data.due).forEach(function (unit) {
        var sum = [0, 0, 0, 0, 0, 0, 0], by = shown.map(function () { return [0, 0]; });
        data.due[unit].forEach(function (row) {
          if (instrument !== null && row[0] !== instrument) { return; }
          if (now.period && (row[1] < 0 || !spans[row[1]])) { return; }
          for (var i = 0; i < 7; i += 1) { sum[i] += row[i + 2]; }
          var at = column[row[1]];
          if (at !== undefined) { by[at][0] += row[3]; by[at][1] += row[2]; }
        });
        sums[unit] = sum;
        rates[unit] = by;
        if (!now.unit || now.unit === unit) { total[0] += sum[3]; total[1] += sum[1]; total[2] += sum[0]; }
      });
      function added(list, first) {
        return list.reduce(function (sum, row) {
          return instrument !== null && row[0] !== instrument ? sum : sum + row[1] - (first ? 0 : row[2]);
        }, 0);
      }
      var most = Math.max.apply(null, Object.keys(sums).map(function (unit) { return sums[unit][3]; }).concat([1]));
      lines.forEach(function (row) {
        var unit = row.unit, sum = sums[unit] || [0, 0, 0, 0, 0, 0, 0];
        if (now.unit && now.unit !== unit) { return; }
        var told = {
          overdue: count(sum[3]), missed: count(sum[4]), awaiting: count(sum[5]), soon: count(sum[6]),
          received: share(sum[1], sum[0]), open: count(added(data.findings[unit] || [], true)),
          overdueChange: data.isCompared && !now.period ? signed(added(data.overdue[unit] || [])) : "n/a",
          openChange: data.isCompared ? signed(added(data.changes[unit] || [])) : "n/a"
        };
        row.cells.forEach(function (cell) { say(cell, told[cell.dataset.cell]); });
        row.bar.style.width = Math.round(48 * sum[3] / most) + "px";
      });
      var middle = shown.map(function (_, i) {
        var own = [];
        Object.keys(rates).forEach(function (unit) {
          if (rates[unit][i][1]) { own.push(Math.min(1, rates[unit][i][0] / rates[unit][i][1])); }
        });
        return median(own);
      });
      var medianLine = line(middle, 1), rest = one("more-multiples");
      if (rest && now.unit) { rest.open = !!rest.querySelector('[data-unit="' + now.unit + '"]'); }
      draw = function () {
        figures.forEach(function (figure) {
          if ((now.unit && now.unit !== figure.unit) || (figure.rest && !rest.open)) { return; }
          var by = rates[figure.unit] || [], received = 0, due = 0, told = [];
          var values = by.map(function (pair, i) {
            received += pair[0];
            due += pair[1];
            if (pair[1]) { told.push(data.quarters[shown[i]] + " " + share(pair[0], pair[1])); }
            return pair[1] ? Math.min(1, pair[0] / pair[1]) : null;
          });
          figure.own.setAttribute("d", line(values, 1));
          figure.median.setAttribute("d", medianLine);
          say(figure.under, share(received, due));
          figure.svg.setAttribute("aria-label",
            figure.name + ", share received by quarter: " + (told.join(", ") || "n/a"));
        });
      };
      draw();
      if (one("span") && shown.length) {
        one("span").textContent = data.quarters[shown[0]] + " to " + data.quarters[shown[shown.length - 1]];
      }
      return count(total[0]) + " overdue, received " + share(total[1], total[2]) + ".";
    },
    completeness: function (now) {
      var sums = {}, year = now.period ? now.period.slice(0, 4) : "", place = data.years.indexOf(year);
      function add(unit, row) {
        var key = unit + "/" + row[0] + "/" + row[1], own = sums[key] || (sums[key] = [0, 0, 0, 0, 0]);
        for (var i = 0; i < 5; i += 1) { own[i] += row[i + 3]; }
      }
      Object.keys(data.cells).forEach(function (unit) {
        data.cells[unit].forEach(function (row) {
          if (row[2] === place) { add(unit, row); add("network", row); }
        });
      });
      function each(what, draw) {
        all(what).forEach(function (table) {
          var map = table.dataset.map || table.dataset.numbers;
          all("tr[data-row]", table).forEach(function (row) {
            all("td", row).forEach(function (cell, i) {
              if (cell.was === undefined) { cell.was = [cell.className, cell.title, cell.innerHTML]; }
              if (!year) { cell.className = cell.was[0]; cell.title = cell.was[1]; cell.innerHTML = cell.was[2]; return; }
              draw(cell, sums[row.dataset.row + "/" + map + "/" + i] || [0, 0, 0, 0, 0], row);
            });
          });
        });
      }
      each("table[data-map]", function (cell, n) {
        var missing = n[0] ? 1 - Math.min(1, n[1] / n[0]) : 0;
        cell.className = n[0] ? "h" + (missing ? Math.min(5, 1 + Math.floor(missing * 5)) : 0) : "none";
        cell.title = cell.was[1].split(": ")[0] + ", " + year + ": " + (n[0] ? "received " + share(n[1], n[0]) +
          ", scorable " + share(n[2], n[0]) + ", answers " + share(n[4], n[3]) : "nothing expected");
        cell.firstChild.textContent = percent(n[1], n[0]);
      });
      each("table[data-numbers]", function (cell, n) {
        cell.textContent = n[0] ? n[1] + "/" + n[0] + " " + percent(n[1], n[0]) : "n/a";
      });
      return year && now.period !== year ? "This page knows whole years: " + year + "." : "";
    },
    trends: function (now) {
      var shown = [];
      data.months.forEach(function (month, i) {
        var quarter = month.slice(0, 4) + "-Q" + (Math.floor((month.slice(5) - 1) / 3) + 1);
        if (within(quarter, now.period)) { shown.push(i); }
      });
      var drawn = shown.slice(-24), none = [0, 0, 0, 0, 0, 0, 0, 0], total = data.months.map(function () { return none.slice(); });
      Object.keys(data.units).forEach(function (unit) {
        data.units[unit].forEach(function (row, i) {
          if (row) { row.forEach(function (n, k) { total[i][k] += n; }); }
        });
      });
      all("tr[data-trend]").forEach(function (row) {
        var own = data.units[row.dataset.trend] || total;
        var last = drawn.length ? own[drawn[drawn.length - 1]] || none : none;
        var told = [share(last[1], last[0]), count(last[3]), count(last[4]), count(last[7])];
        all("td", row).forEach(function (cell, k) {
          var values = drawn.map(function (i) {
            var n = own[i] || none;
            return k === 0 ? (n[0] ? n[1] / n[0] : 0) : n[[0, 3, 4, 7][k]];
          });
          cell.querySelector("path").setAttribute("d", bars(values));
          cell.querySelector(".latest").textContent = told[k];
        });
      });
      if (one("span") && drawn.length) {
        one("span").textContent = data.months[drawn[0]] + " to " + data.months[drawn[drawn.length - 1]];
      }
      var own = now.unit ? data.units[now.unit] || [] : total;
      all(".months tbody tr").forEach(function (row) {
        var n = own[data.months.indexOf(row.dataset.month)] || none;
        var told = [share(n[1], n[0]), count(n[2]), count(n[3]), count(n[4]), count(n[5]), count(n[6]), count(n[7])];
        all("td", row).forEach(function (cell, k) { cell.textContent = told[k]; });
      });
      var months = all("details .months")[0];
      if (months && now.period) {
        months.closest("details").open = all("tbody tr", months).some(function (row) { return !row.hidden; });
      }
      if (one("whose")) { one("whose").textContent = now.unit ? name("unit") + "." : "All units together."; }
      return "";
    },
    findings: function (now) {
      var own = {};
      (data.units[now.unit] || []).forEach(function (row) { own[row[0]] = row; });
      all("#rule-table tbody tr").forEach(function (row) {
        var place = Number(row.dataset.rule), n = own[place];
        if (now.unit && !n) { row.hidden = true; return; }
        all("td.num", row).forEach(function (cell, k) {
          if (cell.was === undefined) { cell.was = cell.textContent; }
          if (!now.unit) { cell.textContent = cell.was; return; }
          var is = data.isCompared || k === 0 || k > 2;
          cell.textContent = k === 5 ? (n[1] ? "1" : "0") : k === 4 ? (n[5] < 0 ? "n/a" : count(n[5]))
            : is ? count(n[k + 1]) : "n/a";
        });
      });
      return "";
    }
  };

  function wanted() {
    return location.hash.indexOf("=") > 0 ? new URLSearchParams(location.hash.slice(1)) : new URLSearchParams();
  }
  function go(key, value) {
    var now = wanted();
    if (value) { now.set(key, value); } else { now.delete(key); }
    var text = now.toString();
    history.replaceState(null, "", text ? "#" + text : "#all");
    show();
  }
  function sort(key) {
    if (key === ordered) { return; }
    ordered = key;
    boxes.forEach(function (box) {
      [].slice.call(box.children).sort(function (a, b) { return a.dataset[key] - b.dataset[key]; })
        .forEach(function (item) { box.appendChild(item); });
    });
  }
  function show() {
    var now = wanted(), words = [], unknown = [], shown = 0, filter = {};
    sort(order && now.get("order") === "name" ? "name" : "worst");
    if (order) { order.setAttribute("aria-pressed", String(now.get("order") === "name")); }
    ["unit", "instrument", "period"].forEach(function (key) {
      var value = now.get(key) || "", select = selects.filter(function (item) { return item.dataset.filter === key; })[0];
      if (select) {
        select.value = value;
        filter[key] = value;
        if (value && select.selectedIndex < 0 && key === "period" && value.indexOf("-Q") > 0) {
          select.value = value.slice(0, 4);
        }
        if (value) { words.push(select.selectedIndex > 0 ? select.options[select.selectedIndex].text : value); }
      } else if (value) { unknown.push(key); }
    });
    items.forEach(function (item) {
      var own = item.dataset;
      var hide = (filter.unit && own.unit !== undefined && own.unit !== filter.unit) ||
        (filter.instrument && own.instrument !== undefined && own.instrument !== filter.instrument) ||
        (filter.period && own.period !== undefined && !within(own.period, filter.period));
      if (item.hidden !== !!hide) { item.hidden = !!hide; }
      if (!hide) { shown += 1; }
    });
    var told = data && pages[data.page] ? pages[data.page](filter) : "";
    all("section").forEach(function (section) {
      var rows = all("tbody tr", section), note = section.querySelector(".empty");
      var none = words.length && rows.length && !rows.some(function (row) { return !row.closest("[hidden]") && !row.matches(".total"); });
      if (none && !note) {
        note = document.createElement("p");
        note.className = "empty";
        section.appendChild(note);
      }
      if (note) {
        note.hidden = !none;
        note.textContent = "Nothing here is about " + words.join(", ") + ".";
      }
    });
    var text = words.length ? "Shown: " + words.join(", ") + " only." + (told ? " " + told : "") : "";
    if (words.length && items.length && !shown) { text = "Nothing here is about " + words.join(", ") + "."; }
    if (unknown.length) { text += (text ? " " : "") + "This page is not split by " + unknown.join(" or ") + "."; }
    said.textContent = text;
    if (clear) { clear.hidden = words.length + unknown.length === 0; }
    now.delete("order");
    var carried = now.toString();
    keep.forEach(function (pair) { pair[0].setAttribute("href", pair[1] + (carried ? "#" + carried : "")); });
  }
  if (order) {
    order.addEventListener("click", function () { go("order", wanted().get("order") === "name" ? "" : "name"); });
  }
  if (clear) {
    clear.addEventListener("click", function () {
      history.replaceState(null, "", wanted().get("order") ? "#order=name" : "#all");
      show();
    });
  }
  selects.forEach(function (select) {
    select.addEventListener("change", function () { go(select.dataset.filter, select.value); });
  });
  window.addEventListener("hashchange", function () { if (location.hash.indexOf("=") > 0) { show(); } });
  window.addEventListener("beforeprint", function () { all("details").forEach(function (part) { part.open = true; }); });
  show();
})();
