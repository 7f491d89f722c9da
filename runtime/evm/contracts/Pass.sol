// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC1155} from "@openzeppelin/contracts/token/ERC1155/ERC1155.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IPass} from "./IPass.sol";

/// @title Subscriptions: ERC-1155 passes that expire
/// @dev No owner, no proxy, no upgrade, no balance. State changes before tokens move, and a mint
/// calls nobody, so there is nothing to enter again for.
contract Pass is IPass, ERC1155 {
    using SafeERC20 for IERC20;

    /// @notice Longest period, and furthest ahead, so that no sum of times leaves uint48.
    uint48 public constant PERIOD_MAX = 366 days;
    uint32 public constant AHEAD_MAX = 1_000;

    mapping(uint256 id => PassClass) private _classes;
    mapping(uint256 id => mapping(address holder => uint48)) private _expires;

    constructor() ERC1155("") {}

    /// @inheritdoc IPass
    function register(uint64 number, address token, uint128 price, uint48 period, uint32 ahead, uint64 quota)
        external
        returns (uint256 id)
    {
        if (token == address(0) || price == 0 || period == 0 || period > PERIOD_MAX || ahead == 0 || ahead > AHEAD_MAX) {
            revert BadClass();
        }
        id = idOf(msg.sender, number);
        PassClass memory terms = PassClass(msg.sender, period, ahead, token, quota, price);
        PassClass memory known = _classes[id];
        if (known.provider != address(0)) {
            if (keccak256(abi.encode(known)) != keccak256(abi.encode(terms))) revert OtherTerms(id);
            return id;
        }
        _classes[id] = terms;
        emit Registered(id, msg.sender, number, terms);
    }

    /// @inheritdoc IPass
    function buy(uint256 id, uint32 periods) external returns (uint48 until) {
        PassClass memory terms = _classes[id];
        if (terms.provider == address(0)) revert UnknownClass(id);
        if (periods == 0 || periods > terms.ahead) revert BadPeriods(periods, terms.ahead);
        uint48 had = _expires[id][msg.sender];
        uint48 from = had > block.timestamp ? had : uint48(block.timestamp);
        until = from + terms.period * periods;
        if (until > block.timestamp + uint256(terms.period) * terms.ahead) revert BadPeriods(periods, terms.ahead);
        _expires[id][msg.sender] = until;
        uint256 paid = uint256(terms.price) * periods;
        emit Bought(id, msg.sender, periods, paid, until);
        if (had == 0) _give(msg.sender, id);
        IERC20(terms.token).safeTransferFrom(msg.sender, terms.provider, paid);
    }

    /// @dev Without asking the receiver: it bought for itself, and a callback would be a way in.
    function _give(address holder, uint256 id) private {
        uint256[] memory ids = new uint256[](1);
        uint256[] memory values = new uint256[](1);
        ids[0] = id;
        values[0] = 1;
        super._update(address(0), holder, ids, values);
    }

    /// @dev Every transfer goes through here; the mint above does not.
    function _update(address, address, uint256[] memory, uint256[] memory) internal pure override {
        revert Soulbound();
    }

    /// @inheritdoc IPass
    function expiresAt(uint256 id, address holder) external view returns (uint48) {
        return _expires[id][holder];
    }

    /// @inheritdoc IPass
    function classOf(uint256 id) external view returns (PassClass memory) {
        return _classes[id];
    }

    /// @inheritdoc IPass
    function idOf(address provider, uint64 number) public pure returns (uint256) {
        return uint256(keccak256(abi.encode(provider, number)));
    }
}
