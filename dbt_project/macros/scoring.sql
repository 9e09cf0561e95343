{#- Scoring as wide arithmetic. Order, for every item: recode, then reverse; for every scale: count what was answered,
    put together, apply the missing rule. An out-of-range answer never gets here (it is void in the lake). -#}

{#- SQL of one item's scored value; null where it was not answered. Reversal is (minimum + maximum) - x. -#}
{% macro item_expression(column, item) %}
    {%- set value = column -%}
    {%- if item['recode'] -%}
        {%- set branches = [] -%}
        {%- for pair in item['recode'].split(',') -%}
            {%- do branches.append('when ' ~ pair.split(':')[0] ~ ' then ' ~ pair.split(':')[1]) -%}
        {%- endfor -%}
        {%- set value = 'case ' ~ column ~ ' ' ~ branches | join(' ') ~ ' end' -%}
    {%- endif -%}
    {%- if item['is_reversed'] -%}
        {%- set value = '(' ~ (item['reverse_from'] | int) ~ ' - ' ~ value ~ ')' -%}
    {%- endif -%}
    {%- do return(value) -%}
{% endmacro %}

{#- For one instrument: per version and scale the SQL of the raw aggregate, of the number of answered items, and of the
    number of missing items that the scale's rule does not allow to be missing. -#}
{% macro scale_expressions(instrument) %}
    {%- set items = {} -%}
    {%- set item_sql -%}
        select
            item.version, item.item, item.is_reversed, item.recode,
            case
                when item.recode is null then item.minimum + item.maximum else version.minimum + version.maximum
            end as reverse_from
        from {{ source('inputs', 'item') }} as item
        inner join {{ source('inputs', 'version') }} as version
            on item.instrument = version.instrument and item.version = version.version
        where item.instrument = '{{ instrument }}'
    {%- endset -%}
    {%- for row in rows_of(item_sql) -%}
        {%- do items.update({row['version'] ~ '/' ~ (row['item'] | int): row}) -%}
    {%- endfor -%}
    {%- set scale_sql -%}
        select version, scale, items, aggregate, only_items
        from {{ source('inputs', 'scale') }}
        where instrument = '{{ instrument }}'
        order by version, scale_order
    {%- endset -%}
    {%- set scales = [] -%}
    {%- for row in rows_of(scale_sql) -%}
        {%- set values, answered, outside = [], [], [] -%}
        {%- set allowed = (row['only_items'] or row['items']).split(',') -%}
        {%- for number in row['items'].split(',') -%}
            {%- set column = item_column(number) | trim -%}
            {%- set value = item_expression(column, items[row['version'] ~ '/' ~ number]) -%}
            {%- do values.append(value if row['aggregate'] == 'min' else 'coalesce(' ~ value ~ ', 0)') -%}
            {%- do answered.append('(case when ' ~ column ~ ' is null then 0 else 1 end)') -%}
            {%- if number not in allowed -%}
                {%- do outside.append('(case when ' ~ column ~ ' is null then 1 else 0 end)') -%}
            {%- endif -%}
        {%- endfor -%}
        {%- if row['aggregate'] == 'min' and values | length > 1 -%}
            {%- set raw = 'least(' ~ values | join(', ') ~ ')' -%}
        {%- else -%}
            {%- set raw = values | join(' + ') -%}
        {%- endif -%}
        {%- do scales.append({
            'version': row['version'],
            'scale': row['scale'],
            'raw': raw,
            'answered': answered | join(' + '),
            'outside': outside | join(' + ') or '0',
        }) -%}
    {%- endfor -%}
    {%- do return(scales) -%}
{% endmacro %}

{#- One of `scale_expressions` picked by the row's version and scale. -#}
{% macro by_scale(scales, part) %}
    case
        {%- for scale in scales %}
            when version = '{{ scale['version'] }}' and scale = '{{ scale['scale'] }}'
                then {{ scale[part] }}
        {%- endfor %}
    end
{% endmacro %}

{#- What became of a scale, from columns n_items, n_answered, n_missing_not_allowed, max_missing, rule_name,
    is_rule_accepted, prorate, score_supplied. A score that the unit supplied counts only where no item came:
    it must not step around the missing rule. -#}
{% macro score_status() %}
    case
        when n_answered = 0 and score_supplied is not null then 'supplied'
        when n_answered = 0 then 'not_answered'
        when n_answered = n_items then 'scored'
        when rule_name is null then 'no_accepted_rule'
        when n_items - n_answered > max_missing or n_missing_not_allowed > 0 then 'too_many_missing'
        when not is_rule_accepted then 'no_accepted_rule'
        when prorate = 'person_mean' then 'prorated'
        else 'scored'
    end
{% endmacro %}

{#- The score for a status: a mean over the answered items; a sum, brought up to all items where prorated; a minimum. -#}
{% macro score_value() %}
    case
        when status = 'supplied' then score_supplied
        when status not in ('scored', 'prorated') then null
        when aggregate = 'mean' then raw_value / n_answered
        when aggregate = 'sum' and status = 'prorated' then raw_value * n_items / n_answered
        else raw_value
    end
{% endmacro %}
